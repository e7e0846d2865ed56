"""What each host accepts: limits of files and names, and the shape of a row.

Sources: OpenAI's fine-tuning guide, its reference of files and jobs and its cookbook ("Data preparation and analysis
for chat model fine-tuning"); Microsoft's fine-tuning guide of Azure OpenAI; Together's "Data preparation" and the
checks of its client; Nebius's guide. All were read in November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeGuard

__all__ = [
    "HOSTS",
    "Example",
    "Hosted",
    "Problem",
    "Rules",
    "Severity",
    "check_metadata",
    "check_suffix",
    "read_example",
]

Hosted = Literal["openai", "azure", "nebius", "together"]
Severity = Literal["error", "warning"]

_ROLES = ("system", "user", "assistant")
_SHAPE = '{"messages": [system, user, assistant]}'
_PAIRS, _KEY, _VALUE = 16, 64, 512  # of a job's metadata
_AROUND_MESSAGE = 3  # tokens, as the cookbook counts; and as many more for the answer's beginning
_IN_TOKEN = 4.3  # characters of English prose
_SUFFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a host accepts.

    Attributes:
        most_bytes: Of a file.
        least_rows: Of a file for training.
        most_tokens: Of an example; what is longer is cut at its end, the answer. None: it depends on the model.
        mark: Whether the host wants a byte order mark.
        keys: Of a message.
        alternating: Whether user and assistant must take turns after the system message.
        suffix: Most characters in a suffix.
        dots: Whether a suffix may have dots.
    """

    most_bytes: int
    least_rows: int = 10
    most_tokens: int | None = None
    mark: bool = False
    keys: frozenset[str] = frozenset({"role", "content", "weight"})
    alternating: bool = False
    suffix: int = 64
    dots: bool = True


_OPENAI_KEYS = frozenset({"role", "content", "weight", "name"})
HOSTS: Mapping[Hosted, Rules] = {
    "openai": Rules(512 * 2**20, most_tokens=65_536, keys=_OPENAI_KEYS),
    "azure": Rules(512 * 2**20, most_tokens=65_536, mark=True, keys=_OPENAI_KEYS, suffix=18, dots=False),
    "nebius": Rules(5 * 2**30, most_tokens=8_192),  # the default of its context_length
    "together": Rules(100 * 10**9, least_rows=1, alternating=True, suffix=40),
}


class Problem(NamedTuple):
    """What is wrong with a row, before it is known where the row stands."""

    severity: Severity
    kind: str
    detail: str


class Example(NamedTuple):
    """A row: its prompt, the last text of the user's, and what the model is to say to it."""

    system: str
    source: str
    target: str


def check_suffix(provider: Hosted, suffix: str) -> None:
    """Whether a host takes the suffix of a model's name.

    Raises:
        ValueError: It does not.
    """
    rules = HOSTS[provider]
    if not _SUFFIX.fullmatch(suffix) or len(suffix) > rules.suffix or ("." in suffix and not rules.dots):
        raise ValueError(
            f"the suffix {suffix!r} has {len(suffix)} characters: {provider} takes 1 to {rules.suffix} of A-Z a-z 0-9 "
            f"{'. ' if rules.dots else ''}_ -, the first a letter or a digit: give such a one, or none"
        )


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Whether OpenAI, and whoever has its interface, takes the metadata of a job.

    Raises:
        ValueError: It has more than 16 pairs, a key longer than 64 characters, or a value that is no text or longer
            than 512.
    """
    if len(metadata) > _PAIRS:
        raise ValueError(f"metadata has {len(metadata)} pairs: leave {len(metadata) - _PAIRS} out, {_PAIRS} are taken")
    for key, value in metadata.items():
        if len(key) > _KEY:
            raise ValueError(f"metadata has a key of {len(key)} characters, {key[:20]!r}...: shorten it to {_KEY}")
        if not isinstance(value, str) or len(value) > _VALUE:
            raise ValueError(f"metadata[{key!r}] is {str(value)[:40]!r}: give a text of at most {_VALUE} characters")


def read_example(
    row: object, rules: Rules, count: Callable[[str], int] | None = None
) -> tuple[Example | None, list[Problem]]:
    """What a line of an upload holds and what is wrong with it; None where it is no example.

    Every row without an error can be trained on by `restyle.serving`, too.

    Args:
        row: What was read from JSON.
        rules: The host's.
        count: Counts the tokens of a text; None: they are estimated.
    """
    if not isinstance(row, dict):
        return None, [_error("data_type", f"the row is a {type(row).__name__}: write an object, {_SHAPE}")]
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        return None, [_error("missing_messages_list", _without_messages(row))]
    problems = []
    if others := sorted(row.keys() - {"messages"}):
        problems.append(_warning("unknown_key", f"the row has {others} beside 'messages': leave it out, hosts differ"))
    for index, message in enumerate(messages):
        problems += _of_message(message, f"messages[{index}]", rules)
    if _are_errors(problems):
        return None, problems
    texts = [message["content"] for message in messages]
    problems += [*_of_turns(messages, rules), *_of_length(texts, rules, count)]
    if _are_errors(problems):
        return None, problems
    source = next(message["content"] for message in reversed(messages) if message["role"] == "user")
    return Example(texts[0], source, texts[-1]), problems


def _are_errors(problems: list[Problem]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def _error(kind: str, detail: str) -> Problem:
    return Problem("error", kind, detail)


def _warning(kind: str, detail: str) -> Problem:
    return Problem("warning", kind, detail)


def _without_messages(row: dict[str, Any]) -> str:
    if "prompt" in row:
        return "the row has 'prompt' and not 'messages': upload the file beside it that ends in .messages.jsonl"
    return f"messages is {str(row.get('messages'))[:40]}: write {_SHAPE}, or make the pairs again"


def _of_message(message: object, name: str, rules: Rules) -> Iterator[Problem]:
    if not isinstance(message, dict):
        yield _error("data_type", f"{name} is a {type(message).__name__}: write an object with role and content")
        return
    if missing := sorted({"role", "content"} - message.keys()):
        yield _error("message_missing_key", f"{name} has no {missing[0]!r}: add it")
    if unknown := sorted(message.keys() - rules.keys):
        known = ", ".join(sorted(rules.keys))
        yield _error("message_unrecognized_key", f"{name} has the key {unknown[0]!r}: remove it, known are {known}")
    role, content, weight = (message.get(key) for key in ("role", "content", "weight"))
    if "role" in message and role not in _ROLES:
        yield _error("unrecognized_role", f"{name}.role is {role!r}: make it one of {', '.join(_ROLES)}")
    if "content" in message and not _is_filled(content):
        yield _error("missing_content", f"{name}.content is {str(content)[:40]!r}: write a text that is not empty")
    elif _is_filled(content) and content != content.strip():
        yield _warning("edge_space", f"{name}.content begins or ends with white space, which templates trim: trim it")
    if "weight" in message and (role != "assistant" or type(weight) is not int or weight not in {0, 1}):
        yield _error("weight", f"{name}.weight is {weight!r} of the {role}: only the assistant has one, 0 or 1")


def _of_turns(messages: list[dict[str, Any]], rules: Rules) -> Iterator[Problem]:
    roles = [message["role"] for message in messages]
    if "assistant" not in roles:
        yield _error("example_missing_assistant_message", "no assistant message: add the text to be learnt")
    elif roles[-1] != "assistant":
        yield _error("last_message", f"the last message is the {roles[-1]}'s: end with the text to be learnt")
    elif messages[-1].get("weight") == 0:
        yield _error(
            "weight", f"messages[{len(messages) - 1}].weight is 0: nothing is learnt from the row, leave it out"
        )
    if "user" not in roles:
        yield _error("missing_user", "no user message: add the text to be rewritten")
    if "system" not in roles:
        yield _error("missing_system", "no system message: add the style's prompt, it is sent with every text")
    elif roles.count("system") > 1 or roles[0] != "system":
        yield _error("system_place", f"the roles are {', '.join(roles)}: put one system message, and first")
    turns = roles[roles.count("system") :]
    if rules.alternating and turns != [_ROLES[1 + index % 2] for index in range(len(turns))]:
        yield _error("turns", f"the roles are {', '.join(roles)}: let user and assistant take turns")


def _of_length(texts: list[str], rules: Rules, count: Callable[[str], int] | None) -> Iterator[Problem]:
    if rules.most_tokens is None:
        return
    around = _AROUND_MESSAGE * (len(texts) + 1)
    advice = f"at most {rules.most_tokens:,}, or the answer is cut: leave it out, or make shorter blocks"
    if count:
        if (tokens := around + sum(map(count, texts))) > rules.most_tokens:
            yield _error("tokens", f"{tokens:,} tokens, {advice}")
    elif (tokens := around + round(sum(map(len, texts)) / _IN_TOKEN)) > rules.most_tokens:
        yield _warning("tokens", f"about {tokens:,} tokens (estimated from its characters), {advice}")


def _is_filled(content: object) -> TypeGuard[str]:
    return isinstance(content, str) and bool(content.strip())
