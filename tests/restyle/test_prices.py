"""What a run will cost and costs: `restyle.data.prices`."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restyle.data import prices as module
from restyle.data.prices import Estimate, Meter, Price, Prices, estimate, find_tokenizer
from restyle.errors import PairsError
from restyle.messages import Answer, Ask, Turn, Usage

LIST = """
["gpt-6-luna"]
read = 0.30
written = 1.20
batch_discount = 0.5

["gpt-6-*"]
read = 2
written = 8

["gpt-*"]
read = 5
written = 20

["http://127.0.0.1:*"]
read = 0
written = 0
"""


def price_list(folder: Path, text: str = LIST) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "prices.toml"
    path.write_text(text, "utf-8")
    return path


# --- the list --------------------------------------------------------------------------------------------------------


def test_the_list_of_the_home_is_read(home):
    assert Prices.load().entries == {}
    price_list(home)
    assert Prices.load().find("gpt-6-luna") == Price(0.3, 1.2, 0.5)


def test_training_has_a_price_only_where_one_is_given(tmp_path):
    tables = {"a": "trained = 3.5", "b": "", "c": "trained = 0"}
    text = "\n".join(f"[{name}]\nread = 1\nwritten = 2\n{trained}" for name, trained in tables.items())
    prices = Prices.load(price_list(tmp_path, text))
    assert [prices.find(name).trained for name in "abc"] == [3.5, None, 0]


@pytest.mark.parametrize(
    ("names", "read"),
    [
        (["gpt-6-luna"], 0.3),  # its own name, though patterns fit too
        (["gpt-6-sol"], 2),  # the longer pattern
        (["gpt-5"], 5),
        (["http://127.0.0.1:8000/v1:gpt-6-luna", "gpt-6-luna"], 0),  # the first name that has a price
        (["openai:gpt-6-luna", "gpt-6-luna"], 0.3),
        (["GPT-6-luna"], None),
        ([], None),
    ],
)
def test_which_entry_is_a_model_s(tmp_path, names, read):
    price = Prices.load(price_list(tmp_path)).find(*names)
    assert (price and price.read) == read


def test_no_price_is_shipped_and_the_advice_says_where_it_belongs(home):
    prices = Prices.load()
    assert prices.find("gpt-4o") is None
    advice = prices.advice("gpt-4o")
    assert str(home / "prices.toml") in advice
    assert '["gpt-4o"]' in advice
    assert "dollars per million tokens" in advice


def test_what_tokens_cost():
    price = Price(2, 8, 0.25)
    assert price.of(Usage(1_000_000, 500_000)) == pytest.approx(6)
    assert price.of(Usage(1_000_000, 500_000), batch=True) == pytest.approx(4.5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a", "not TOML"),
        ("price = 3", '["price"] is no table'),
        ("[gpt-4.1]\nread = 1\nwritten = 2", "has a table '1' inside: write the model's whole name in quotes"),
        ("[a]\nread = 1", '["a"] written is missing'),
        ("[a]\nread = 1\nwritten = 2\nwriten = 3", "has 'writen': known are read, written, batch_discount, trained"),
        ("[a]\nread = -1\nwritten = 2", "read is -1: give dollars per million tokens, 0 or more"),
        ("[a]\nread = 1\nwritten = nan", "written is nan"),
        ("[a]\nread = inf\nwritten = 1", "read is inf"),
        ("[a]\nread = true\nwritten = 1", "read is True"),
        ('[a]\nread = "1"\nwritten = 1', "read is '1'"),
        ("[a]\nread = 1\nwritten = 1\nbatch_discount = 50", "batch_discount is 50: give a share from 0 to 1"),
        ("[a]\nread = 1\nwritten = 1\ntrained = -1", "trained is -1: give dollars per million tokens"),
        ("[a]\nread = 1\nwritten = 1\ntrained = true", "trained is True: give dollars per million tokens"),
    ],
)
def test_a_list_that_does_not_fit(tmp_path, text, says):
    path = price_list(tmp_path, text)
    with pytest.raises(PairsError) as caught:
        Prices.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert says in str(caught.value)


def test_a_list_that_cannot_be_read(tmp_path):
    with pytest.raises(PairsError, match=r"nowhere\.toml: no such file of prices"):
        Prices.load(tmp_path / "nowhere.toml")
    with pytest.raises(PairsError, match="cannot be read"):
        Prices.load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'["\xff"]')
    with pytest.raises(PairsError, match="not TOML"):
        Prices.load(tmp_path / "latin.toml")


# --- the estimate ----------------------------------------------------------------------------------------------------


def asks(number):
    return (Ask("s" * 43, f"{place:043}", "destyle") for place in range(number))


def test_an_estimate_from_characters_says_so():
    made = estimate(5, asks(3), model="gpt-6-luna", price=Price(1000, 10_000))
    # a request: 10 tokens of system prompt, 10 of text, 4 around each message, 3 for the answer's beginning
    assert made == Estimate(5, 3, 93, 30, exact=False, cost=pytest.approx(0.393))
    assert "estimated at 4.3 characters a token" in str(made)
    assert "about $0.39" in str(made)


def test_the_batch_discount_is_taken_off():
    price = Price(1000, 10_000, 0.5)
    whole, half = (estimate(3, asks(3), model="m", price=price, batch=batch).cost for batch in (False, True))
    assert half == pytest.approx(whole / 2)


def test_without_a_price_the_cost_is_unknown_and_said_to_be():
    made = estimate(3, asks(3), model="gpt-6-luna")
    assert made.cost is None
    assert "cost: unknown" in str(made)


def test_turns_after_the_text_are_read_too():
    plain, after = Ask("s", "t", "destyle"), Ask("s", "t", "destyle", after=(Turn("assistant", "x" * 43),))
    one, more = (estimate(1, [ask], model="m").read for ask in (plain, after))
    assert more == one + 10 + 4


def test_nothing_to_ask():
    assert estimate(7, [], model="m", price=Price(1, 1)) == Estimate(7, 0, 0, 0, exact=False, cost=0.0)


# --- tokenizers ------------------------------------------------------------------------------------------------------


def _bundled() -> Path | None:
    """LlamaIndex brings the files along."""
    found = importlib.util.find_spec("llama_index") and importlib.util.find_spec("llama_index.core")
    folder = Path(found.origin).parent / "_static/tiktoken_cache" if found and found.origin else None
    return folder if folder and folder.is_dir() else None


@pytest.mark.parametrize(("model", "tokens"), [("gpt-4o", 6), ("gpt-4", 6)])
def test_with_the_files_on_this_machine_tokens_are_counted(monkeypatch, model, tokens):
    pytest.importorskip("tiktoken")
    if (folder := _bundled()) is None:
        pytest.skip("no tokenizer files here")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
    count = find_tokenizer(model)
    assert count("Keep the lamp burning.") == 5
    assert count("<|endoftext|>") > 1  # a text may have it, and it is only text
    made = estimate(1, [Ask("Keep the lamp burning.", "Keep the lamp burning, Tom.", "destyle")], model=model)
    assert made.exact
    assert made.written == count("Keep the lamp burning, Tom.") == tokens + 1
    assert made.read == 5 + made.written + 11
    assert "counted by its tokenizer" in str(made)


def test_a_model_that_is_not_known_has_no_tokenizer(monkeypatch):
    pytest.importorskip("tiktoken")
    if (folder := _bundled()) is not None:
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
    assert find_tokenizer("gpt-6-luna") is None


@pytest.mark.parametrize("variable", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"])
def test_nothing_is_downloaded(monkeypatch, tmp_path, variable):
    tiktoken = pytest.importorskip("tiktoken")
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    monkeypatch.setattr(tiktoken.load, "read_file", lambda path: pytest.fail(f"asks for {path}"))
    assert find_tokenizer("gpt-4o") is None
    (key,) = (hashlib.sha1(module._TOKENIZER_URL.format("o200k_base").encode()).hexdigest(),)
    (tmp_path / key).write_bytes(b"another file, which tiktoken would fetch anew")
    assert find_tokenizer("gpt-4o") is None
    monkeypatch.setenv(variable, "")  # tiktoken's sign for no cache at all
    assert find_tokenizer("gpt-4o") is None


def test_the_files_are_those_that_tiktoken_would_fetch(monkeypatch):
    pytest.importorskip("tiktoken")
    from tiktoken_ext import openai_public

    asked = []
    monkeypatch.setattr(
        openai_public, "load_tiktoken_bpe", lambda url, expected_hash: asked.append((url, expected_hash))
    )
    for name, digest in module._TOKENIZER_FILES.items():
        openai_public.ENCODING_CONSTRUCTORS[name]()
        assert asked.pop() == (module._TOKENIZER_URL.format(name), digest)
    openai_public.ENCODING_CONSTRUCTORS["o200k_harmony"]()
    assert asked.pop()[1] == module._TOKENIZER_FILES["o200k_base"]


def test_a_cached_file_is_found_where_tiktoken_looks(monkeypatch, tmp_path):
    tiktoken = pytest.importorskip("tiktoken")
    data = b"".join(base64.b64encode(bytes([byte])) + f" {byte}\n".encode() for byte in range(256))
    name = hashlib.sha1(module._TOKENIZER_URL.format("cl100k_base").encode()).hexdigest()
    (tmp_path / name).write_bytes(data)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    monkeypatch.setattr(tiktoken.load, "check_hash", lambda *_: True)
    monkeypatch.setitem(module._TOKENIZER_FILES, "cl100k_base", hashlib.sha256(data).hexdigest())
    assert find_tokenizer("gpt-4")("straße") == 7  # a token for each byte, in this one


def test_without_tiktoken_tokens_are_estimated(monkeypatch):
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    assert find_tokenizer("gpt-4o") is None


# --- the meter -------------------------------------------------------------------------------------------------------

ASK = Ask("s" * 43, "t" * 43, "destyle")


def test_what_hosts_counted_is_added_up():
    meter = Meter(Price(1000, 10_000), max_cost=1.0)
    assert (meter.cost, meter.reached) == (0, False)
    meter.add(ASK, Answer("x", usage=Usage(100, 20)))
    assert meter.cost == pytest.approx(0.3)
    meter.add(ASK, Answer("x", usage=Usage(300, 40)))
    assert meter.cost == pytest.approx(1.0)
    assert meter.reached
    assert (meter.answers, meter.estimated, meter.usage) == (2, 0, Usage(400, 60))


def test_what_a_host_does_not_count_is_estimated_and_said_to_be():
    meter = Meter(Price(1000, 10_000))
    meter.add(ASK, Answer("x" * 43, reasoning="r" * 43))
    assert (meter.estimated, meter.usage) == (1, Usage(31, 20))


def test_the_batch_discount_counts():
    meter = Meter(Price(1000, 0, 0.5), batch=True)
    meter.add(ASK, Answer("x", usage=Usage(1000, 1000)))
    assert meter.cost == pytest.approx(0.5)


def test_without_a_limit_nothing_is_reached_and_without_a_price_there_is_no_cost():
    meter = Meter()
    meter.add(ASK, Answer("x", usage=Usage(10**9, 10**9)))
    assert (meter.cost, meter.reached) == (None, False)


def test_nothing_may_be_spent():
    assert Meter(Price(1, 1), max_cost=0).reached


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf")])
def test_a_limit_that_is_no_amount(amount):
    with pytest.raises(PairsError, match="give an amount of dollars"):
        Meter(Price(1, 1), max_cost=amount)


def test_a_limit_without_a_price_could_not_be_kept():
    with pytest.raises(PairsError, match="max_cost is 5, but the model has no price"):
        Meter(max_cost=5)


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), max_size=20), st.floats(0, 100))
def test_the_order_of_answers_changes_nothing(counted, limit):
    meters = [Meter(Price(0.1, 0.7), max_cost=limit) for _ in range(2)]
    for meter, order in zip(meters, (counted, counted[::-1]), strict=True):
        for usage in order:
            meter.add(ASK, Answer("x", usage=Usage(*usage)))
    assert meters[0].cost == meters[1].cost
    assert meters[0].reached == meters[1].reached == (meters[0].cost >= limit)
