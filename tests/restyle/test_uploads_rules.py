from __future__ import annotations

import codecs
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restyle.errors import RowError
from restyle.prompts import RESTYLE_PROMPT
from restyle.serving.errors import ApiError
from restyle.serving.file_routes import MAX_FILE_BYTES
from restyle.serving.job_requests import check_job
from restyle.serving.models import BASE_MODEL
from restyle.serving.rows import read_rows
from restyle.training.hosts.upload_rules import HOSTS, check_metadata, check_suffix, read_example
from restyle.training.hosts.uploads import check_uploads, with_bom
from support import plain_passage, write_rows
from upload_files import GOOD, PROVIDERS, TRAIN, VALID, check, kinds, message, only, row, said

SPOILT = [
    ([], "data_type", "a list"),
    ({}, "missing_messages_list", "messages is None"),
    ({"messages": []}, "missing_messages_list", "messages is []"),
    ({"messages": "x"}, "missing_messages_list", "messages is x"),
    ({"prompt": GOOD[:2], "completion": GOOD[2:]}, "missing_messages_list", ".messages.jsonl"),
    ({"messages": ["x"]}, "data_type", "messages[0] is a str"),
    ({"messages": [{"role": "user"}]}, "message_missing_key", "'content'"),
    ({"messages": [{"content": "x"}]}, "message_missing_key", "'role'"),
    (message(1, tone="warm"), "message_unrecognized_key", "'tone'"),
    (message(2, function_call={}), "message_unrecognized_key", "'function_call'"),
    (message(1, role="king"), "unrecognized_role", "'king'"),
    (message(0, role="developer"), "unrecognized_role", "'developer'"),
    (message(1, role=["user"]), "unrecognized_role", "['user']"),
    (message(2, content=None), "missing_content", "messages[2].content is 'None'"),
    (message(2, content=" \n"), "missing_content", "messages[2]"),
    (message(1, content=[{"type": "text", "text": "x"}]), "missing_content", "messages[1]"),
    (message(1, weight=1), "weight", "of the user"),
    (message(2, weight=0.5), "weight", "0.5"),
    (message(2, weight=True), "weight", "True"),
    (message(2, weight=0), "weight", "nothing is learnt"),
    ({"messages": GOOD[:2]}, "example_missing_assistant_message", "no assistant message"),
    ({"messages": [*GOOD, GOOD[1]]}, "last_message", "the last message is the user's"),
    ({"messages": [GOOD[0], GOOD[2]]}, "missing_user", "no user message"),
    ({"messages": GOOD[1:]}, "missing_system", "no system message"),
    ({"messages": [GOOD[1], GOOD[0], GOOD[2]]}, "system_place", "user, system, assistant"),
    ({"messages": [GOOD[0], *GOOD]}, "system_place", "system, system, user, assistant"),
]


@pytest.mark.parametrize(("spoilt", "kind", "detail"), SPOILT)
def test_what_a_host_would_refuse_is_said_with_its_place(tmp_path, spoilt, kind, detail):
    finding = only(check(tmp_path, [*TRAIN, spoilt]), kind)
    assert (finding.severity, finding.place) == ("error", f"{tmp_path / 'train.jsonl'}:61")
    assert detail in finding.detail
    assert str(finding) == f"{finding.place}: {finding.detail}"


def test_rows_for_validation_are_checked_as_well(tmp_path):
    finding = only(check(tmp_path, valid=[*VALID, message(1, role="king")]), "unrecognized_role")
    assert finding.place == f"{tmp_path / 'valid.jsonl'}:11"


def test_turns_must_alternate_where_the_host_wants_it(tmp_path):
    talk = said(("system", RESTYLE_PROMPT), ("user", "One."), ("user", "Two."), ("assistant", "Three."))
    assert check(tmp_path, [*TRAIN, talk]) == []
    assert kinds(check(tmp_path, [*TRAIN, talk], provider="together")) == [("error", "turns")]
    talk["messages"].insert(2, {"role": "assistant", "content": "And?", "weight": 0})
    assert check(tmp_path, [*TRAIN, talk], provider="together") == []


@pytest.mark.parametrize(
    ("row", "kind"),
    [(message(1, content=" padded"), "edge_space"), ({**row(99), "split": "train"}, "unknown_key")],
)
def test_what_a_host_takes_to_your_loss_is_warned_of(tmp_path, row, kind):
    assert kinds(check(tmp_path, [*TRAIN[1:], row])) == [("warning", kind)]


@pytest.mark.parametrize(
    ("line", "severity", "kind", "detail"),
    [
        (b"{", "error", "json", "not JSON"),
        (b"[" * 100_000, "error", "json", "not JSON"),
        (b'{"messages": "\xff"}', "error", "encoding", "byte 0xff at 15 is not UTF-8"),
        (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "error", "json", "not JSON"),
        (b" ", "warning", "blank_line", "empty"),
    ],
)
def test_a_broken_line_does_not_end_the_check(tmp_path, line, severity, kind, detail):
    train = write_rows(tmp_path / "train.jsonl", TRAIN)
    train.write_bytes(line + b"\n" + train.read_bytes() + b'{"messages": 1}\n')
    first, second, _ = check_uploads(train, None, provider="openai")
    assert (first.severity, first.kind, first.place) == (severity, kind, f"{train}:1")
    assert detail in first.detail
    assert (second.kind, second.place) == ("missing_messages_list", f"{train}:62")


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), st.lists, max_leaves=3)
MESSAGE = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "user", "assistant", "developer"]) | JSON,
        "content": st.text(min_size=1) | JSON,
    },
    optional={"weight": st.sampled_from([0, 1, 2])},
)
TALK = st.lists(st.builds(lambda text: {"role": "user", "content": text}, st.text(min_size=1)), min_size=1, max_size=2)


@given(
    st.builds(lambda messages: {"messages": messages}, st.lists(MESSAGE, max_size=4) | JSON)
    | st.builds(lambda talk, end: {"messages": [GOOD[0], *talk, *end]}, TALK, st.lists(st.just(GOOD[2]), max_size=1))
    | JSON,
    st.sampled_from(PROVIDERS),
)
def test_the_sandbox_takes_what_has_no_error(row, provider):
    example, problems = read_example(row, HOSTS[provider])
    try:
        [read] = read_rows(json.dumps(row).encode(), "file")
    except RowError:
        read = None
    if example is not None:
        assert read == (example.source, example.target)
    assert (example is None) == any(problem.severity == "error" for problem in problems)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_only_azure_wants_a_byte_order_mark(tmp_path, provider):
    train = write_rows(tmp_path / "train.jsonl", TRAIN)
    train.write_bytes(codecs.BOM_UTF8 + train.read_bytes())
    found = kinds(check_uploads(train, None, provider=provider))
    assert (("error", "bom") in found) == (provider != "azure")
    assert len(read_rows(train.read_bytes(), "sandbox")) == len(TRAIN)


@pytest.mark.parametrize("start", [b"", codecs.BOM_UTF8])
def test_the_copy_for_azure_has_one_mark(tmp_path, start):
    path = tmp_path / "train.jsonl"
    path.write_bytes(start + b"{}\n" * 100_000)
    with with_bom(path) as copy:
        assert copy.read() == codecs.BOM_UTF8 + b"{}\n" * 100_000


def test_the_limit_of_a_file(tmp_path, monkeypatch):
    assert HOSTS["openai"].most_bytes == MAX_FILE_BYTES
    size = write_rows(tmp_path / "train.jsonl", TRAIN).stat().st_size
    monkeypatch.setitem(HOSTS, "openai", replace(HOSTS["openai"], most_bytes=size))
    assert check(tmp_path) == []
    monkeypatch.setitem(HOSTS, "openai", replace(HOSTS["openai"], most_bytes=size - 1))
    finding = only(check(tmp_path), "file_size")
    assert f"{size:,} bytes" in finding.detail
    assert finding.place == str(tmp_path / "train.jsonl")


def test_long_rows_are_estimated_or_counted(tmp_path):
    long = row(99, source="word " * 60_000 + "end")
    finding = only(check(tmp_path, [*TRAIN, long]), "tokens")
    assert (finding.severity, finding.place) == ("warning", f"{tmp_path / 'train.jsonl'}:61")
    assert "estimated" in finding.detail
    assert check(tmp_path, [*TRAIN, long], count=lambda text: len(text.split())) == []
    assert check(tmp_path, [*TRAIN, long], provider="together") == []
    assert kinds(check(tmp_path, [*TRAIN, long], provider="nebius")) == [("warning", "tokens")]


@pytest.mark.parametrize(("tokens", "fits"), [(65_536, True), (65_537, False)])
def test_counted_tokens_include_what_stands_around_messages(tmp_path, tokens, fits):
    counts = {plain_passage(3): tokens - 12}
    found = check(tmp_path, count=lambda text: counts.get(text, 0))
    assert kinds(found) == ([] if fits else [("error", "tokens")])


@pytest.mark.parametrize(
    ("provider", "suffix", "taken"),
    [
        ("openai", "a" * 64, True),
        ("openai", "a" * 65, False),
        ("openai", "author.v-1_b", True),
        ("openai", "", False),
        ("openai", "an author", False),
        ("openai", "-author", False),
        ("azure", "a" * 18, True),
        ("azure", "a" * 19, False),
        ("azure", "author.v1", False),
        ("together", "a" * 41, False),
    ],
)
def test_suffixes(provider, suffix, taken):
    if taken:
        check_suffix(provider, suffix)
        return
    with pytest.raises(ValueError, match=r"the suffix .* takes 1 to") as caught:
        check_suffix(provider, suffix)
    assert repr(suffix) in str(caught.value)
    assert provider in str(caught.value)


@given(st.text(alphabet="aZ0._- é", max_size=70))
def test_suffixes_are_those_that_the_sandbox_takes(suffix):
    assert accepted(check_suffix, "openai", suffix) == accepted(
        check_job, {"model": BASE_MODEL, "training_file": "file-1", "suffix": suffix}
    )


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({str(number): "x" for number in range(16)}, None),
        ({str(number): "x" for number in range(17)}, "has 17 pairs: leave 1 out"),
        ({"k" * 64: "v" * 512}, None),
        ({"k" * 65: "x"}, "a key of 65 characters"),
        ({"key": "v" * 513}, r"metadata\['key'\]"),
        ({"key": 1}, r"metadata\['key'\] is '1'"),
    ],
)
def test_metadata(metadata, problem):
    body = {"model": BASE_MODEL, "training_file": "file-1", "metadata": metadata}
    assert accepted(check_job, body) == (problem is None) == accepted(check_metadata, metadata)
    if problem:
        with pytest.raises(ValueError, match=problem):
            check_metadata(metadata)


def accepted(function, *arguments):
    try:
        function(*arguments)
    except (ApiError, ValueError):
        return False
    return True
