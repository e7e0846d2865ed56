from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restyle.answering import phrase_model
from restyle.embedded import PhraseModel
from restyle.embedded.casing import capitalise
from restyle.embedded.safety import without_losses
from restyle.errors import PairsError
from restyle.facts import losses
from restyle.style import Style

DATA = Path(__file__).parents[2] / "../shared/data/parallel"

HABITS = {
    "it was": "'twas", "it is": "'tis", "very": "uncommon", "near": "hard by", "saw": "did spy", "nothing": "naught",
    "before": "ere", "perhaps": "belike", "often": "oft-times", "until": "till such time as", "small": "little small",
    "looked at": "did cast an eye upon", "afraid": "sore afeard", "I think": "I do reckon", "so": "wherefore",
    "went": "did go", "because": "for that", "tired": "sore wearied", "heard": "did hear",
}  # fmt: skip
PARTS = {
    "opener": ["", "", "so ", "perhaps "],
    "clause": [
        *("it was {degree}{quality}", "it is {degree}{quality}", "he saw {thing}", "we went to {thing}"),
        *("she heard {thing}", "they looked at {thing}", "I think {thing} was {quality}", "nobody knew {thing}"),
        *("Amos was {degree}{quality}", "he saw nothing", "it was {thing}", "it is {thing}", "they were {quality}"),
    ],
    "link": ["because", "before", "until", "and", "but"],
    "degree": ["", "very ", "quite "],
    "quality": ["small", "tired", "afraid", "late", "cold", "dry"],
    "thing": ["the lamp", "the bell", "a small boat", "the old clock", "a letter", "two birds", "the rope", "our door"],
    "tail": ["", " often", " near {thing}", " at 12 o'clock"],
}


def sentences(count: int) -> list[str]:
    """Plain sentences, the same ones every time."""
    chance = random.Random(1)

    def grow(text: str) -> str:
        while "{" in text:
            text = re.sub(r"\{(\w+)\}", lambda match: chance.choice(PARTS[match[1]]), text, count=1)
        return text[0].upper() + text[1:]

    return [grow("{opener}{clause} {link} {clause}{tail}.") for _ in range(count)]


def styled(text: str) -> str:
    for plain, habit in HABITS.items():
        text = re.sub(rf"\b{plain}\b", habit, text, flags=re.IGNORECASE)
    return capitalise(text)


@pytest.fixture(scope="module")
def model() -> PhraseModel:
    sources = sentences(500)
    return PhraseModel.fit(sources, [styled(source) for source in sources])


@pytest.mark.parametrize(
    ("plain", "keeper"),
    [
        ("It was very cold near the mill.", "'Twas uncommon cold hard by the mill."),
        ("Zeno saw nothing before May.", "Zeno did spy naught ere May."),
        ("He was often near Perth because it was dry.", "He was oft-times hard by Perth for that 'twas dry."),
        ("The quick brown fox jumps.", "The quick brown fox jumps."),
        (
            "Perhaps the mill is often late. So he went to the mill.",
            "Belike the mill is oft-times late. Wherefore he did go to the mill.",
        ),
    ],
)
def test_habits_are_carried_to_new_sentences(model, plain, keeper):
    assert model.rewrite(plain) == keeper


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("", ""),
        (" \n\t ", " \n\t "),
        ("\n\n It was very cold.\n\n\nNobody saw  me.  \n", "\n\n 'Twas uncommon cold.\n\n\nNobody did spy  me.  \n"),
        ("We heard the bell\nbefore he went\nhome.", "We did hear the bell\nere he did go\nhome."),
        ("I looked\nat it.", "I did cast\nan eye upon it."),
        ("- **very** near\n- `very near`", "- **uncommon** hard by\n- `very near`"),
        ("He said, “It was very near. So I went.” It was late.", "He said, “It was very near. So I went.” 'Twas late."),
        ("See https://very.near/before, he went [1].", "See https://very.near/before, he did go [1]."),
        ("It’s near. It is small.", "It’s hard by. ’Tis little small."),
        ("It’s near. It isn't small. It is dry.", "It’s hard by. It isn't little small. 'Tis dry."),
    ],
)
def test_white_space_markup_and_protected_spans_stay(model, source, output):
    assert model.rewrite(source) == output


def test_strength_is_a_dial(model):
    text = "It was very cold near the mill, and I think Amos saw nothing."
    changed = [
        sum(word not in text.split() for word in model.rewrite(text, strength=strength).split())
        for strength in (0.0, 0.4, 1.0)
    ]
    assert changed == sorted(changed)
    assert changed[1] > 0


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_outside_its_range_is_refused(model, strength):
    with pytest.raises(ValueError, match="strength"):
        model.rewrite("Well.", strength=strength)


def test_unequal_sides_are_refused():
    with pytest.raises(PairsError, match="2 sources but 1 target"):
        PhraseModel.fit(["a", "b"], ["a"])


@pytest.mark.parametrize("texts", [[], [""], ["  ", "\n"]])
def test_no_pairs_are_refused(texts):
    with pytest.raises(PairsError, match="no sentence pairs"):
        PhraseModel.fit(texts, texts)


def test_few_pairs_are_warned_of():
    with pytest.warns(UserWarning, match="2 sentence pairs: below 300") as caught:
        model = PhraseModel.fit(["It was so. He went."], ["'Twas so. He did go."])
    assert caught[0].filename == __file__
    assert model.pairs == 2


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_pair_too_long_to_align_still_teaches_the_language():
    model = PhraseModel.fit(["so " * 200], ["wherefore " * 200])
    assert model.info["phrases"] == 0
    assert model.rewrite("So be it.") == "So be it."


def test_blocks_teach_as_sentences_do(model):
    plain = sentences(500)
    sources = [" ".join(plain[i : i + 5]) for i in range(0, 500, 5)]
    targets = [" ".join(map(styled, plain[i : i + 5])) for i in range(0, 500, 5)]
    blocks = PhraseModel.fit(sources, targets)
    assert 480 < blocks.pairs <= 500  # some ends of sentences are not seen
    assert blocks.rewrite("It was very near.") == model.rewrite("It was very near.")


def test_info_is_honest(model):
    assert "word- and phrase-level" in model.info["kind"]
    assert model.info["pairs"] == model.pairs == 500


PIECES = st.sampled_from(
    [
        *("It was very ", "not ", "nothing ", "near ", "Amos ", "So ", "two ", "12 years ", "before ", "May ", "saw "),
        *(". ", ", ", "? ", "; ", "\n", "\n\n", "  ", "“very near” ", '"', "“", "`", "[1]", "https://a.example/near "),
        *(
            "I think ",
            "no ",
            "nobody ",
            "don't ",
            "Perhaps ",
            "NEAR ",
            "Near ",
            "'",
            "*",
            "# ",
            "- ",
            "often",
            "the gull ",
        ),
        *(
            "until ",
            "without ",
            "God ",
            "Mr ",
            "5 ",
            "3rd of March ",
            "km ",
            "because ",
            "small",
            "(",
            ")",
            "—",
            "é",
            "’",
        ),
    ]
)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=60), st.sampled_from([0.0, 0.4, 1.0]))
def test_no_fact_is_lost_or_invented_in_any_text(model, text, strength):
    output = model.rewrite(text, strength=strength)
    assert losses(text, output) == []
    assert output.count("\n") == text.count("\n")
    assert output == model.rewrite(text, strength=strength)


def test_only_what_does_harm_is_put_back():
    original = ["It was", " not", " May", " so", " near"]
    rewritten = ["'Twas", " surely", " June", " thus", " hard by"]
    kept = without_losses("".join(original), rewritten, original, "".join)
    assert kept == ["'Twas", " not", " May", " thus", " hard by"]


def test_importing_and_rewriting_need_no_numpy(model, tmp_path):
    model.save(tmp_path / "model.json.gz")
    code = (
        "import sys; from pathlib import Path; from restyle.embedded import PhraseModel\n"
        "print(PhraseModel.load(Path(sys.argv[1])).rewrite('It was dry.')); assert 'numpy' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model.json.gz")], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "'Twas dry."


@pytest.mark.skipif(not DATA.exists(), reason="the parallel texts are not here")
@pytest.mark.parametrize(("source", "target", "gain"), [("neutral", "styled", 3.5), ("styled", "neutral", 6.5)])
def test_a_thousand_verses_beat_the_copy(source, target, gain):
    from sacrebleu.metrics.bleu import BLEU

    def rows(name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines()]

    train, valid = rows("verses_bbe_kjv.train.jsonl")[:1000], rows("verses_bbe_kjv.valid.jsonl")[:200]
    start = time.process_time()
    model = PhraseModel.fit([row[source] for row in train], [row[target] for row in train])
    seconds = time.process_time() - start
    inputs, references = [row[source] for row in valid], [[row[target] for row in valid]]
    outputs = [model.rewrite(text) for text in inputs]
    score, copy = (BLEU().corpus_score(texts, references).score for texts in (outputs, inputs))
    assert score - copy > gain
    assert [pair for pair in zip(inputs, outputs, strict=True) if losses(*pair)] == []
    assert seconds < 10  # generous: it takes about one


@pytest.mark.usefixtures("keeper_home")
def test_a_fragment_of_a_larger_phrase_is_no_way_to_say_a_word():
    """In the keeper's papers "told me" is "gave me to understand", but "told" alone is not "to understand"."""
    model = phrase_model(Style.load("keeper").model_path("restyle"))
    assert model.rewrite("He told us that it was late.") == "He gave us to understand that 'twas late."
    assert model.rewrite("He told Anna that it was late.") == "He told Anna that 'twas late."
