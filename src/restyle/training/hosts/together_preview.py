"""Rows of an uploaded file as Together would train them: proven before a job is begun, and kept as golden prompt."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from restyle.errors import ModelError, PromptError, RowError
from restyle.golden import GoldenPrompt
from restyle.training.hosts.together_adapter import base_of, template_digest
from restyle.training.hosts.together_client import TogetherClient
from restyle.training.hosts.together_proof import Prompted, prove
from restyle.training.rendering import Texts

if TYPE_CHECKING:
    from together import Together

__all__ = ["golden_of", "prove_file"]

_GONE = 404
_NONE_SHOWN = frozenset({400, 404, 405, 422, 501})  # HTTP statuses of a host that has no preview, or none for a base


def prove_file(
    client: TogetherClient, base: str, file: str, lines: Iterable[bytes], where: str
) -> tuple[Texts, Prompted] | None:
    """Check all rows that Together shows of a file and return the first; None, with a warning, where it shows none.

    Args:
        client: The host.
        base: The base model.
        file: The file's id there.
        lines: What the file holds.
        where: Its name, for messages.

    Raises:
        RowError: See `prove`.
        PromptError: See `prove`.
        ModelError: The host does not answer.
    """
    try:
        shown = client.ask(
            lambda sdk: sdk.fine_tuning.preview(
                model=base, training_file=file, train_on_inputs=False, training_method="sft"
            ),
            f"no preview for {base}",
        ).rows
    except ModelError as error:
        if error.status not in _NONE_SHOWN:
            raise
        _warn(base, str(error))
        return None
    first = None
    for number, (row, line) in enumerate(zip(shown, lines, strict=False), 1):
        texts = Texts(*(message["content"] for message in json.loads(line)["messages"]))
        prompted = prove(row, texts, base=base, place=f"{where}:{number}")
        if prompted is None:
            _warn(base, "the tokens that are shown are of a tokenizer which is not known here")
            return None
        first = first or (texts, prompted)
    if first is None:
        _warn(base, "no rows are shown")
    return first


def golden_of(client: TogetherClient, base: str, file: str | None, adapter: Path) -> GoldenPrompt | None:
    """The prompt of a training file's first row; None where Together has or shows it no more.

    Args:
        client: The host.
        base: The base model.
        file: The file's id there.
        adapter: The adapter's folder.

    Raises:
        ModelError: The host does not answer.
    """
    try:
        line = client.ask(lambda sdk: _first_line(sdk, file or ""), f"no file {file}") if file else b""
    except ModelError as error:
        if error.status != _GONE:
            raise
        line = b""
    try:
        proven = prove_file(client, base, file, [line], f"file {file}") if file and line else None
    except (PromptError, RowError) as error:  # it was proven before the training, which is paid: the host has changed
        _warn(base, str(error))
        proven = None
    if proven is None:
        return None
    texts, prompted = proven
    return GoldenPrompt(
        system=texts.system,
        user=texts.user,
        text=prompted.text,
        ids=prompted.ids,
        template_digest=template_digest(adapter),
        base=base_of(adapter, base),
        kwargs=prompted.kwargs,
    )


def _first_line(sdk: Together, file: str) -> bytes:
    """Of a file at the host, and no more of it than that."""
    with sdk.files.with_streaming_response.content(file) as response:
        line = b""
        for chunk in response.iter_bytes(65536):
            line += chunk
            if b"\n" in chunk:
                break
        return line.partition(b"\n")[0]


def _warn(base: str, why: str) -> None:
    warnings.warn(f"what {base} is trained on at Together cannot be proven: {why}", UserWarning, stacklevel=4)
