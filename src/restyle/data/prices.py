"""What a run costs: before a cent is spent, and while it is spent. Prices are the user's own; none is shipped.

``prices.toml`` under the restyle home (`restyle.files.home_directory`) has a table for each model, or for a pattern as
in file names; the name in quotes, dollars per million tokens::

    ["gpt-6-luna"]
    read = 0.30
    written = 1.20
    batch_discount = 0.5    # share that the Batch API takes off; 0 if it is not there
    trained = 3.00          # of fine-tuning, for every pass over a token; may be missing

    ["local-*"]
    read = 0
    written = 0
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from restyle.errors import PairsError
from restyle.files import home_directory
from restyle.messages import Answer, Ask, Usage

__all__ = ["CHARACTERS_PER_TOKEN", "Estimate", "Meter", "Price", "Prices", "estimate", "find_tokenizer"]

CHARACTERS_PER_TOKEN = 4.3  # English prose with OpenAI's tokenizers; from author to author 4.1 to 4.9

_PER_MESSAGE, _PER_REPLY = 4, 3  # tokens around a message's text and before an answer: OpenAI's cookbook
_PER_OBJECT = 20  # tokens of an answer that names values only
_MILLION = 1_000_000

# Where tiktoken gets its files from, and their SHA-256: a file that is not there, or is another, it would download.
_TOKENIZER_FILES = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
_TOKENIZER_URL = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens, and the share (0-1) that the Batch API takes off; ``trained`` is None if not told."""

    read: float
    written: float
    batch_discount: float = 0.0
    trained: float | None = None

    def of(self, usage: Usage, *, batch: bool = False) -> float:
        """What so many tokens cost, in dollars."""
        dollars = (usage.read * self.read + usage.written * self.written) / _MILLION
        return dollars * (1 - self.batch_discount) if batch else dollars


@dataclass(frozen=True, slots=True)
class Prices:
    """The user's price list."""

    path: Path
    entries: Mapping[str, Price] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path | None = None) -> Prices:
        """Read ``prices.toml`` of the restyle home, which may be missing, or the file given, which may not.

        Raises:
            PairsError: The file is missing or does not fit; the message says where.
        """
        place = path or home_directory() / "prices.toml"
        try:
            tables = tomllib.loads(place.read_bytes().decode())
        except FileNotFoundError as error:
            if path is None:
                return cls(place)
            raise PairsError(f"{path}: no such file of prices: check the path") from error
        except OSError as error:
            raise PairsError(f"{place}: cannot be read ({error.strerror}): mend it, or name another file") from error
        except ValueError as error:  # not UTF-8, not TOML
            raise PairsError(f"{place}: not TOML ({error}): mend it") from error
        return cls(place, {model: _parse(f'{place}: ["{model}"]', table) for model, table in tables.items()})

    def find(self, *names: str) -> Price | None:
        """The price of the first of a model's names that has one; None where none has.

        An entry of just that name comes before patterns, and a longer pattern before a shorter one.
        """
        for name in names:
            fitting = [entry for entry in self.entries if entry == name or fnmatchcase(name, entry)]
            if fitting:
                return self.entries[max(fitting, key=lambda entry: (entry == name, len(entry)))]
        return None

    def advice(self, model: str) -> str:
        """What to say of a model without a price."""
        return (
            f'no price of {model!r} in {self.path}: add a table ["{model}"] with read = ... and written = ..., '
            "in dollars per million tokens"
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will take if no answer has to be asked for again.

    Attributes:
        blocks: Blocks of the pair set.
        requests: Those that nobody has answered yet.
        read: Tokens of these requests.
        written: Tokens of their answers; always an expectation: neutral versions as long as the blocks.
        exact: Whether ``read`` was counted by the model's tokenizer, not estimated from characters.
        cost: Dollars; None where the model has no price.
    """

    blocks: int
    requests: int
    read: int
    written: int
    exact: bool
    cost: float | None

    def __add__(self, other: Estimate) -> Estimate:
        """Both, of the same blocks."""
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        numbers = (self.requests + other.requests, self.read + other.read, self.written + other.written)
        return Estimate(self.blocks, *numbers, self.exact and other.exact, cost)

    def __str__(self) -> str:
        how = "counted by its tokenizer" if self.exact else f"estimated at {CHARACTERS_PER_TOKEN} characters a token"
        cost = "unknown, the model has no price" if self.cost is None else f"about ${self.cost:,.2f}"
        return (
            f"{self.blocks:,} blocks, {self.requests:,} to ask for\n"
            f"{self.read:,} tokens to read ({how})\n"
            f"about {self.written:,} tokens to write (as long as the blocks)\n"
            f"cost: {cost}, without what is asked again"
        )


def estimate(
    blocks: int, asks: Iterable[Ask], *, model: str, price: Price | None = None, batch: bool = False
) -> Estimate:
    """Estimate a run.

    Args:
        blocks: How many there are altogether.
        asks: Those that would be sent; read once.
        model: Its name, by which its tokenizer is known.
        price: As found in `Prices`; None means that the cost is not known.
        batch: Whether the Batch API would be used.
    """
    tokenizer = find_tokenizer(model)
    count = tokenizer or _tokens_in
    system: dict[str, int] = {}  # the same for nearly all
    requests = read = written = 0
    for ask in asks:
        if ask.system not in system:
            system[ask.system] = count(ask.system)
        text = count(ask.user)
        turns = [count(turn.text) for turn in ask.after]
        requests += 1
        read += system[ask.system] + text + sum(turns) + _PER_MESSAGE * (2 + len(turns)) + _PER_REPLY
        written += _PER_OBJECT if ask.schema else text
    cost = None if price is None else price.of(Usage(read, written), batch=batch)
    return Estimate(blocks, requests, read, written, tokenizer is not None, cost)


def find_tokenizer(model: str) -> Callable[[str], int] | None:
    """Count the tokens of a text as ``model`` does; None where that is not known on this machine.

    It takes ``tiktoken``, a model that it knows, and the tokenizer's file where tiktoken looks for it
    (``TIKTOKEN_CACHE_DIR``). Nothing is ever downloaded.
    """
    try:
        import tiktoken  # noqa: PLC0415 - optional
    except ImportError:
        return None
    try:
        name = tiktoken.encoding_name_for_model(model)
    except KeyError:
        return None
    if not _is_cached("o200k_base" if name == "o200k_harmony" else name):
        return None
    encoding = tiktoken.get_encoding(name)
    return lambda text: len(encoding.encode_ordinary(text))


class Meter:
    """Adds up what the answers of a run cost.

    Args:
        *prices: Those of the models that are asked; None where one is not known.
        max_cost: Dollars after which no further request should leave; those in flight still finish, and cost.
        batch: Whether answers come from the Batch API.

    Attributes:
        answers: How many were added.
        estimated: Those among them whose tokens the host did not count: estimated from characters.

    Raises:
        PairsError: ``max_cost`` is no amount, or cannot be watched without a price.
    """

    def __init__(self, *prices: Price | None, max_cost: float | None = None, batch: bool = False) -> None:
        if max_cost is not None and not (max_cost >= 0 and math.isfinite(max_cost)):
            raise PairsError(f"max_cost is {max_cost}: give an amount of dollars")
        if max_cost is not None and (not prices or None in prices):
            raise PairsError(
                f"max_cost is {max_cost}, but the model has no price: add it to prices.toml, or leave max_cost out"
            )
        self.answers = self.estimated = 0
        self._prices, self._max_cost, self._batch = prices or (None,), max_cost, batch
        self._usages = [Usage(0, 0) for _ in self._prices]

    def add(self, ask: Ask, answer: Answer, place: int = 0) -> None:
        """Count an answer that was paid for now, at the price at that place; not one from the ledger."""
        self.answers += 1
        usage = answer.usage
        if usage is None:
            self.estimated += 1
            usage = Usage(_tokens_to_read(ask), _tokens_in(answer.text) + _tokens_in(answer.reasoning))
        before = self._usages[place]
        self._usages[place] = Usage(before.read + usage.read, before.written + usage.written)

    @property
    def usage(self) -> Usage:
        """The tokens of all answers."""
        return Usage(sum(each.read for each in self._usages), sum(each.written for each in self._usages))

    @property
    def cost(self) -> float | None:
        """Dollars so far; None where a price is not known."""
        prices = [price for price in self._prices if price is not None]
        if len(prices) < len(self._prices):
            return None
        return sum(price.of(usage, batch=self._batch) for price, usage in zip(prices, self._usages, strict=True))

    def expected(self, ask: Ask, place: int = 0) -> float:
        """Dollars that an answer will probably cost; 0 without a price."""
        price = self._prices[place]
        usage = Usage(_tokens_to_read(ask), _PER_OBJECT if ask.schema else _tokens_in(ask.user))
        return 0.0 if price is None else price.of(usage, batch=self._batch)

    def allows(self, dollars: float) -> bool:
        """Whether so much more may be spent."""
        return self._max_cost is None or self.cost is None or self.cost + dollars <= self._max_cost

    @property
    def reached(self) -> bool:
        """Whether ``max_cost`` is spent, so that nothing more should be asked."""
        return self._max_cost is not None and self.cost is not None and self.cost >= self._max_cost


def _parse(place: str, table: object) -> Price:
    if not isinstance(table, dict):
        raise PairsError(f"{place} is no table: write the model's name in brackets, and its prices below")
    nested = next((key for key, value in table.items() if isinstance(value, dict)), None)
    if nested is not None:
        raise PairsError(f"{place} has a table {nested!r} inside: write the model's whole name in quotes")
    if unknown := table.keys() - Price.__annotations__.keys():
        raise PairsError(f"{place} has {min(unknown)!r}: known are {', '.join(Price.__annotations__)}")
    numbers = {"batch_discount": 0.0, **table}
    for name in Price.__annotations__.keys() - ({"trained"} - table.keys()):
        _check(f"{place} {name}", numbers.get(name), 1.0 if name == "batch_discount" else math.inf)
    return Price(**numbers)


def _check(place: str, value: object, most: float) -> None:
    if value is None:
        raise PairsError(f"{place} is missing: give dollars per million tokens")
    if isinstance(value, bool) or not isinstance(value, int | float) or not (0 <= value <= most and value < math.inf):
        limits = "a share from 0 to 1" if most == 1 else "dollars per million tokens, 0 or more"
        raise PairsError(f"{place} is {value!r}: give {limits}")


def _is_cached(name: str) -> bool:
    environment = (os.environ.get(variable) for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"))
    folder = next((value for value in environment if value is not None), f"{tempfile.gettempdir()}/data-gym-cache")
    if not folder or name not in _TOKENIZER_FILES:  # an empty name turns the cache off
        return False
    path = Path(folder, hashlib.sha1(_TOKENIZER_URL.format(name).encode(), usedforsecurity=False).hexdigest())
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == _TOKENIZER_FILES[name]
    except OSError:
        return False


def _tokens_to_read(ask: Ask) -> int:
    return sum(_tokens_in(message["content"]) + _PER_MESSAGE for message in ask.messages) + _PER_REPLY


def _tokens_in(text: str) -> int:
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)
