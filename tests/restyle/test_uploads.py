from __future__ import annotations

import tracemalloc

import pytest

from pairing import build
from restyle.errors import PairsError
from restyle.prompts import RESTYLE_PROMPT
from restyle.training.hosts.uploads import check_uploads, overlap_of
from support import plain_passage, styled_passage, write_letters, write_rows
from upload_files import PROVIDERS, TRAIN, VALID, check, kinds, message, only, row


@pytest.mark.parametrize("provider", PROVIDERS)
def test_good_files_have_no_findings(tmp_path, provider):
    assert check(tmp_path, provider=provider) == []


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("role", ["restyle", "destyle"])
def test_files_of_a_pair_set_can_be_sent(tmp_path, provider, role):
    letters, recorded = write_letters(tmp_path, documents=20)
    pairs = build(letters, recorded, tmp_path / "pairs")
    folder = pairs.directory / role
    files = folder / "train.messages.jsonl", folder / "valid.messages.jsonl"
    findings = check_uploads(*files, provider=provider, prompts=[pairs.prompt(role)])
    assert kinds(findings) == [("warning", "few_rows")]
    wrong = check_uploads(folder / "train.jsonl", None, provider=provider)
    assert "ends in .messages.jsonl" in wrong[0].detail


@pytest.mark.parametrize(
    ("provider", "rows", "found"),
    [
        ("openai", 9, [("error", "too_few_rows")]),
        ("openai", 10, [("warning", "few_rows")]),
        ("openai", 49, [("warning", "few_rows")]),
        ("openai", 50, []),
        ("azure", 9, [("error", "too_few_rows")]),
        ("together", 1, [("warning", "few_rows")]),
        ("together", 0, [("error", "too_few_rows")]),
    ],
)
def test_the_least_number_of_rows(tmp_path, provider, rows, found):
    assert kinds(check(tmp_path, TRAIN[:rows], provider=provider)) == found


def test_something_must_be_held_out(tmp_path):
    assert kinds(check(tmp_path, valid=None)) == [("warning", "no_validation")]
    assert kinds(check(tmp_path, valid=[])) == [("error", "too_few_rows")]


def test_a_missing_file_is_said_at_once(tmp_path):
    with pytest.raises(PairsError, match=r"gone.jsonl: no such file"):
        check_uploads(write_rows(tmp_path / "train.jsonl", [[]]), tmp_path / "gone.jsonl", provider="openai")


def test_duplicates(tmp_path):
    finding = only(check(tmp_path, [*TRAIN, TRAIN[3]]), "duplicate")
    assert (finding.severity, finding.place) == ("warning", f"{tmp_path / 'train.jsonl'}:61")
    assert "line 4" in finding.detail
    # One plain text may have several answers, and one answer several plain texts.
    assert check(tmp_path, [*TRAIN, row(3, target="Quite another answer than before.")]) == []


LETTER = styled_passage(3)
CLOSE = LETTER.replace("Methinks", "I trow")  # most of its runs of words are the same


@pytest.mark.parametrize(
    ("held_out", "severity", "kind"),
    [
        (TRAIN[3], "error", "overlap"),
        (row(3, target="Quite another answer than before."), "warning", "same_source"),
        (row(3, source="Quite another text than before."), "warning", "same_target"),
        (row(99, target=CLOSE), "warning", "near_copy"),
        (row(99, source=plain_passage(3).replace("cheerfully", "merrily")), "warning", "near_copy"),
    ],
)
def test_texts_for_training_are_found_among_those_held_out(tmp_path, held_out, severity, kind):
    findings = check(tmp_path, valid=[*VALID, held_out])
    assert kinds(findings) == [(severity, kind)]
    assert findings[0].place == f"{tmp_path / 'valid.jsonl'}:11"
    assert "line 4 of the file for training" in findings[0].detail
    assert overlap_of(findings)


def test_an_exact_pair_is_found_behind_others_of_its_source(tmp_path):
    train = [row(0), row(0, target="Quite another answer than before."), *TRAIN[2:]]
    findings = check(tmp_path, train, [train[1]])
    assert kinds(findings) == [("error", "overlap")]
    assert "line 2" in findings[0].detail


def test_near_copies_within_a_file_are_no_overlap(tmp_path):
    findings = check(
        tmp_path, [*TRAIN, row(99, target=CLOSE)], [*VALID, row(70), row(70, target=styled_passage(70) + " So.")]
    )
    assert not overlap_of(findings)


def test_one_system_prompt(tmp_path):
    strayed = row(99, system=f"{RESTYLE_PROMPT} Now.")
    findings = check(tmp_path, [*TRAIN, strayed], [strayed])
    assert kinds(findings)[:2] == [("error", "system_prompt"), ("error", "system_prompt")]
    assert [finding.place for finding in findings[:2]] == [
        f"{tmp_path / 'train.jsonl'}:61",
        f"{tmp_path / 'valid.jsonl'}:1",
    ]
    assert "Now." in findings[0].detail


def test_prompts_with_parameters(tmp_path):
    prompts = [f"Rewrite in a {tone} tone." for tone in ("warm", "dry")]
    train = [row(number, system=prompts[number % 2]) for number in range(60)]
    assert check(tmp_path, train, [row(60, system=prompts[0])], prompts=prompts) == []
    assert kinds(check(tmp_path, train, None, prompts=prompts[:1]))[0] == ("error", "system_prompt")
    found = kinds(check(tmp_path, [row(number) for number in range(60)], None, prompts=prompts))
    assert found.count(("error", "system_prompt")) == 6  # five, and how many more


def test_an_answer_in_its_own_prompt(tmp_path):
    assert kinds(check(tmp_path, [*TRAIN, row(99, source=f"Copy this: {styled_passage(99)}")])) == [("error", "leak")]
    leaking = f"{RESTYLE_PROMPT} Say: {styled_passage(99)}"
    found = check(tmp_path, [*TRAIN, row(99, system=leaking)], prompts=[RESTYLE_PROMPT, leaking])
    assert kinds(found) == [("error", "leak")]
    assert "the system message" in found[0].detail
    assert check(tmp_path, [*TRAIN, row(99, source="Yes, he said.", target="Yes")]) == []


def test_some_rows_may_stay_as_they_are(tmp_path):
    same = row(99, source=styled_passage(99))
    assert check(tmp_path, [*TRAIN, same]) == []  # 1 of 61
    found = check(tmp_path, [*TRAIN, same, row(98, source=styled_passage(98))])
    assert kinds(found) == [("warning", "copy")]
    assert "2 of 62 rows" in found[0].detail
    assert "line 61" in found[0].detail
    assert check(tmp_path, [*TRAIN, same, row(98, source=styled_passage(98))], copies=0.1) == []


def test_many_findings_of_a_kind_are_counted(tmp_path):
    findings = check(tmp_path, [*TRAIN, *[message(1, role="king")] * 12])
    assert len(findings) == 6
    assert findings[-1].detail.startswith("7 more of the kind 'unrecognized_role'")
    assert findings[-1].place == str(tmp_path / "train.jsonl")


def test_files_are_not_held_in_memory(tmp_path):
    filler = " ".join(f"w{number}" for number in range(400))
    rows = [
        row(number, source=f"{number} {filler[number:]}", target=f"{filler[number:]} {number}") for number in range(800)
    ]
    train = write_rows(tmp_path / "train.jsonl", rows)
    del rows
    tracemalloc.start()
    try:
        check_uploads(train, None, provider="openai")
        assert tracemalloc.get_traced_memory()[1] < train.stat().st_size / 3
    finally:
        tracemalloc.stop()
