from __future__ import annotations

import json
import warnings

import pytest

from restyle import build_pairs, rewrite, train
from restyle.data.export import sha256
from restyle.data.pairs import PairSet
from restyle.embedded.model import FewPairsWarning, PhraseModel
from restyle.errors import PairsError, RowError, TrainingError
from restyle.style import Style
from restyle.training import find_trainer
from restyle.training.base import prepare
from restyle.training.plans import Part, Plan, Progress
from support import write_letters


@pytest.fixture
def pairs(tmp_path):
    sources, recorded = write_letters(tmp_path)
    return build_pairs(sources, style="author", teacher=recorded, out=tmp_path / "pairs")


@pytest.fixture(autouse=True)
def _few():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewPairsWarning)
        yield


def test_a_training_run_ends_in_a_card(pairs, home):
    style = train(pairs)
    assert Style.load("author") == style
    assert style.directory == home / "styles/author"
    assert style.dataset == pairs.digest
    assert (style.restyle.prompt, style.destyle.prompt) == (pairs.prompt("restyle"), pairs.prompt("destyle"))
    assert style.restyle.provider == style.destyle.provider == "embedded"
    assert style.training["provider"] == "embedded"
    assert style.training["rows"] == pairs.manifest["pairs"]["train"]
    assert style.training["teachers"] == pairs.manifest["teachers"]
    for role in ("restyle", "destyle"):
        assert style.model_path(role).is_file()
        metrics = style.metrics[role]
        assert metrics["held_out"] == pairs.manifest["pairs"]["valid"]
        assert {"bleu", "bleu_of_copy", "unchanged", "sentence_pairs"} <= metrics.keys()


@pytest.mark.usefixtures("keeper_home")
def test_the_scores_are_those_of_the_saved_model_on_the_held_out_rows(demo_pairs):
    from sacrebleu import corpus_bleu

    style = Style.load("keeper")
    for role in ("restyle", "destyle"):
        rows = demo_pairs.rows(role, "valid")
        scores = style.metrics[role]
        assert scores["held_out"] == len(rows) == demo_pairs.manifest["pairs"]["valid"]
        assert scores["bleu"] > scores["bleu_of_copy"] + 10
    model, references = PhraseModel.load(style.model_path("destyle")), [[row.answer for row in rows]]
    outputs, copies = [model.rewrite(row.ask.user) for row in rows], [row.ask.user for row in rows]
    assert scores["bleu"] == pytest.approx(corpus_bleu(outputs, references).score, abs=0.05)
    assert scores["bleu_of_copy"] == pytest.approx(corpus_bleu(copies, references).score, abs=0.05)


def test_the_same_pairs_give_the_same_card_and_models(pairs, tmp_path):
    one, two = train(pairs, home=tmp_path / "one"), train(pairs.directory, home=tmp_path / "two")
    assert one.to_json() == two.to_json()
    for role in ("restyle", "destyle"):
        assert one.model_path(role).read_bytes() == two.model_path(role).read_bytes()


def test_a_plan_comes_first_and_nothing_is_trained_for_it(pairs, home):
    training, counts = prepare(pairs), pairs.manifest["pairs"]
    part = Part(counts["train"], counts["valid"])
    assert training.plan == Plan("author", "embedded", None, {"restyle": part, "destyle": part}, cost=0.0)
    training.start()
    assert not home.exists()
    with pytest.raises(TrainingError, match=r"author-\w{12} is not trained: call wait\(\) first"):
        training.result()
    heard = []
    training.wait(heard.append)
    assert heard == [Progress("restyle", "succeeded"), Progress("destyle", "succeeded")]
    assert Style.list() == []
    training.cancel()
    assert training.result() == Style.load("author")


@pytest.mark.usefixtures("home")
def test_the_same_pairs_are_the_same_training(pairs, demo_pairs):
    assert prepare(pairs).id == prepare(pairs.directory).id
    assert prepare(pairs).id.startswith("author-")
    assert prepare(demo_pairs).id.partition("-")[2] != prepare(pairs).id.partition("-")[2]


@pytest.mark.usefixtures("home")
def test_it_works_with_a_folder_as_with_a_set(pairs):
    assert train(str(pairs.directory)).name == "author"
    assert rewrite("I think the river looked sad.", "author").blocks


@pytest.mark.usefixtures("home")
def test_the_test_split_stays_untouched(pairs):
    for role in ("restyle", "destyle"):
        for path in (pairs.directory / role).glob("test*"):
            path.unlink()
    train(pairs)


@pytest.mark.usefixtures("home")
def test_held_out_text_is_not_learnt(demo_pairs, monkeypatch):
    seen = []
    fit = PhraseModel.fit

    def watched(sources, targets, *, monolingual=()):
        seen.extend([*sources, *targets, *monolingual])
        return fit(sources[:5], targets[:5])

    monkeypatch.setattr(PhraseModel, "fit", watched)
    train(demo_pairs)
    for split in ("valid", "test"):
        for row in demo_pairs.rows("restyle", split):
            assert row.answer not in seen
            assert row.ask.user not in seen
    assert len(seen) > 100


@pytest.mark.usefixtures("home")
def test_few_pairs_are_warned_about(pairs):
    with pytest.warns(FewPairsWarning, match="sentence pairs: below 300"):
        train(pairs)


@pytest.mark.usefixtures("home")
def test_a_failed_training_leaves_the_old_style_working(pairs, monkeypatch):
    style = train(pairs)
    text = "I think the old mill looked sad that morning."
    before = rewrite(text, "author").text
    card = (style.directory / "style.json").read_bytes()
    fit, calls = PhraseModel.fit, []

    def fails_the_second_time(sources, targets, *, monolingual=()):
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError
        return fit(sources[1:], targets[1:], monolingual=monolingual)

    monkeypatch.setattr(PhraseModel, "fit", fails_the_second_time)
    with pytest.raises(MemoryError):
        train(pairs)
    assert len(calls) == 2
    assert (style.directory / "style.json").read_bytes() == card
    assert rewrite(text, "author").text == before


@pytest.mark.usefixtures("home")
def test_a_broken_row_is_refused_and_nothing_is_saved(pairs):
    path = pairs.directory / "destyle/train.jsonl"
    path.write_text(path.read_text("utf-8").replace("\n", "\n{\n", 1), "utf-8")
    with pytest.raises(RowError, match=r"destyle/train\.jsonl:2: not JSON"):
        train(pairs)
    assert Style.list() == []


@pytest.mark.usefixtures("home")
def test_changed_rows_are_refused(pairs):
    path = pairs.directory / "restyle/train.jsonl"
    path.write_text(path.read_text("utf-8").replace("mill", "barn"), "utf-8")
    with pytest.raises(PairsError, match="changed since the manifest was written"):
        train(pairs)


@pytest.mark.usefixtures("home")
def test_nothing_to_train_on(tmp_path):
    sources, recorded = write_letters(tmp_path)
    recorded.write_text(recorded.read_text("utf-8").replace("looked sad", "looked sad in 1848"), "utf-8")
    made = build_pairs(sources, style="author", teacher=recorded, out=tmp_path / "pairs")
    assert made.manifest["pairs"] == {"train": 0, "valid": 0, "test": 0}
    with pytest.raises(PairsError, match=r"no pairs to train on: see dropped\.jsonl"):
        train(made)
    assert Style.list() == []


@pytest.mark.usefixtures("home")
def test_no_figures_without_held_out_pairs(tmp_path):
    sources, recorded = write_letters(tmp_path, documents=2, passages=3)
    style = train(build_pairs(sources, style="author", teacher=recorded, out=tmp_path / "pairs"))
    assert style.metrics["restyle"].keys() == {"held_out", "sentence_pairs"}
    assert style.metrics["restyle"]["held_out"] == 0


def test_a_style_name_is_never_a_path(pairs, home):
    manifest = pairs.directory / "manifest.json"
    content = json.loads(manifest.read_text("utf-8"))
    for name in ("../escaped", "/tmp/escaped", "a/b"):
        manifest.write_text(json.dumps(content | {"style": name}), "utf-8")
        with pytest.raises(PairsError, match="is not a style's name"):
            train(pairs.directory)
        with pytest.raises(ValueError, match="is not a style's name"):
            train(PairSet(pairs.directory, content | {"style": name}))
    assert not home.exists()


@pytest.mark.usefixtures("home")
def test_an_unknown_provider_and_a_base_for_the_embedded_one(pairs):
    with pytest.raises(ValueError, match="unknown provider 'cloud': choose one of azure, embedded"):
        train(pairs, provider="cloud")
    with pytest.raises(ValueError, match="base is 'llama', but the embedded provider starts from nothing"):
        train(pairs, base="llama")
    with pytest.raises(ValueError, match="unknown provider"):
        find_trainer("")


@pytest.mark.usefixtures("home")
def test_models_are_named_after_their_content(pairs):
    style = train(pairs)
    for role, stage in (("restyle", style.restyle), ("destyle", style.destyle)):
        assert stage.model == f"{role}-{sha256(style.model_path(role))[:12]}.json.gz"
    assert not [path for path in style.directory.iterdir() if path.name.endswith((".tmp", ".part"))]
