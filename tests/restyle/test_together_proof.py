from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

pytest.importorskip("together")

from restyle.errors import PromptError, RowError
from restyle.training.hosts.together_proof import prove
from restyle.training.rendering import Texts
from together_rows import BASE, SYSTEM, byte_level, ids, render, sentence_piece
from together_stub import Fault

pytest_plugins = ["together_fixtures"]

TEXTS = Texts(SYSTEM, "The meadow — “wide”\nand cold.", "I do reckon — “wide”.\n\nAnd cold.")


def messages(texts):
    return [{"role": role, "content": text} for role, text in zip(("system", "user", "assistant"), texts, strict=True)]


def shown(texts=TEXTS, **rendering):
    """A row as the host shows it."""
    tokens = render(messages(texts), **rendering)
    numbers = ids(tokens)
    labels = [number if trained else -100 for number, (_, trained) in zip(numbers, tokens, strict=True)]
    read = [token for token, _ in tokens]
    return SimpleNamespace(input_ids=numbers, labels=labels, tokens=read, truncated=False, num_tokens=len(numbers))


def proven(row, texts=TEXTS):
    return prove(row, texts, base=BASE, place="train.jsonl:1")


@pytest.mark.parametrize("write", [byte_level, sentence_piece, str])
def test_the_prompt_is_what_stands_before_the_answer(write):
    row = shown(write=write)
    found = proven(row)
    assert found.text == (
        f"<|im_start|>system\n{TEXTS.system}<|im_end|>\n<|im_start|>user\n{TEXTS.user}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert found.ids == row.input_ids[: row.labels.index(next(label for label in row.labels if label != -100))]
    assert found.kwargs == {}


@pytest.mark.parametrize("think", ["\n\n", "\n"])
def test_an_empty_thought_belongs_to_the_prompt_and_must_be_asked_for(think):
    row = shown(think=think)
    found = proven(row)
    assert found.text.endswith(f"<|im_start|>assistant\n<think>{think}</think>\n\n")
    assert found.kwargs == {"enable_thinking": False}
    assert found.ids == row.input_ids[: len(found.ids)]


def test_an_answer_that_begins_with_a_space_of_the_tokenizers_is_an_answer():
    row = shown()
    first = next(number for number, label in enumerate(row.labels) if label != -100)
    row.tokens[first] = "Ġ" + row.tokens[first]
    assert len(proven(row).ids) == first


def test_a_tokenizer_that_composes_accents_keeps_the_text():
    texts = TEXTS._replace(user="Cafe\u0301 and nai\u0308ve.")
    composed = texts._replace(user="Café and naïve.")
    assert "Café and naïve." in proven(shown(composed), texts).text


def test_tokens_of_an_unknown_tokenizer_prove_nothing():
    assert proven(shown(write=lambda text: f"#{len(text)}")) is None


def test_tokens_that_were_decoded_one_by_one_prove_nothing():
    row = shown(write=str)
    row.tokens[row.tokens.index(" —")] = " \ufffd"
    assert proven(row) is None


def merged(row, **changes):
    return SimpleNamespace(**{**vars(row), **changes})


def relabelled(row, place, *, trained):
    labels = list(row.labels)
    labels[place] = row.input_ids[place] if trained else -100
    return merged(row, labels=labels)


ROW = shown()
FIRST = next(number for number, label in enumerate(ROW.labels) if label != -100)
LAST = len(ROW.labels) - 2  # before the line feed


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (shown(change=lambda text: text.replace("—", "-")), "does not keep user of the row"),
        (shown(change=lambda text: "" if "rewrite" in text else text), "does not keep system of the row"),
        (shown(trained_header=True), r"'<\|im_start\|>assistant\\n' before the answer is trained"),
        (shown(think="Let me think.\n"), r"<think>Let me think.* before the answer is trained"),
        (relabelled(ROW, 3, trained=True), "before the answer is trained"),
        (relabelled(ROW, FIRST, trained=False), "not all of the answer"),
        (relabelled(ROW, LAST - 1, trained=False), "not all of the answer"),
        (shown(masked_end=True), "the end of the answer is not trained"),
        (merged(ROW, tokens=[*ROW.tokens[:FIRST], "ĊI", *ROW.tokens[FIRST + 1 :]]), "begins within the token"),
    ],
)
def test_what_would_train_another_model_than_is_meant_is_refused(row, message):
    with pytest.raises(PromptError, match=message) as caught:
        proven(row)
    assert str(caught.value).startswith("train.jsonl:1: ")
    assert "take another base" in str(caught.value)


def test_texts_in_another_order_are_refused():
    swapped = TEXTS._replace(system=TEXTS.user, user=TEXTS.system)
    with pytest.raises(PromptError, match="does not keep the order"):
        proven(shown(swapped))


def test_a_cut_row_is_refused_before_a_job_is_begun(stub, opened, rows):
    stub.truncated = True
    with pytest.raises(RowError, match=r"train.messages.jsonl:1: cut to \d+ tokens"):
        opened().upload(rows())


def test_a_template_that_does_not_fit_is_refused_before_a_job_is_begun(stub, opened, rows):
    stub.rendering = {"masked_end": True}
    with pytest.raises(PromptError, match=r"train.messages.jsonl:1: the end of the answer"):
        opened().upload(rows())


def test_the_golden_prompt_is_what_the_preview_shows_and_comes_again_in_another_process(stub, begun, opened, tmp_path):
    stub.rendering = {"think": "\n\n"}
    host, files, job = begun(until="succeeded")
    served = host.serve(job, role="restyle", model="m", folder=tmp_path)
    row = json.loads(stub.files[files.train]["content"].splitlines()[0])["messages"]
    tokens = render(row, think="\n\n")
    assert served.golden.messages == row[:2]
    assert served.golden.ids == ids(tokens)[: len(served.golden.ids)]
    assert served.golden.text.endswith("</think>\n\n")
    assert served.request == {"chat_template_kwargs": {"enable_thinking": False}}
    assert served.golden.kwargs == {"enable_thinking": False}
    assert opened().serve(job, role="restyle", model="m", folder=tmp_path) == served


@pytest.mark.parametrize("status", [400, 404])
def test_a_base_without_a_preview_is_trained_with_a_warning(stub, opened, rows, status):
    stub.faults.append(Fault("/v1/fine-tunes/preview", status))
    with pytest.warns(UserWarning, match=f"trained on at Together cannot be proven: .*HTTP {status}"):
        assert opened().upload(rows()) == "file-1"


def test_tokens_that_cannot_be_read_are_a_warning(stub, opened, rows):
    stub.rendering = {"write": lambda text: f"#{len(text)}"}
    with pytest.warns(UserWarning, match="a tokenizer which is not known here"):
        opened().upload(rows())


def test_what_was_paid_for_is_served_even_where_the_file_is_gone(stub, begun, tmp_path):
    host, files, job = begun(until="succeeded")
    stub.files.pop(files.train)
    served = host.serve(job, role="restyle", model="m", folder=tmp_path)
    assert served.golden is None
    assert served.record["folder"]


def test_what_was_paid_for_is_served_even_where_the_host_has_changed(stub, begun, tmp_path):
    host, _, job = begun(until="succeeded")
    stub.rendering = {"masked_end": True}
    with pytest.warns(UserWarning, match="cannot be proven: .*the end of the answer is not trained"):
        assert host.serve(job, role="restyle", model="m", folder=tmp_path).golden is None
