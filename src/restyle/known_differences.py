"""Endpoints that are known to render another prompt than the trained one: noted by doctor, refused at run time.

The note stands beside the card, so that it is seen without a request. It is bound to the stage as the card has it: with
another endpoint, model, template argument or golden prompt nothing is known any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from restyle.errors import CardError, ModelError
from restyle.files import write_atomically
from restyle.messages import Role
from restyle.style import Style

__all__ = ["NOTE_NAME", "note_differences", "refuse_known_difference"]

NOTE_NAME = "doctor.json"


def note_differences(style: Style, verdicts: Mapping[Role, str]) -> None:
    """Write down which stages are known to differ.

    Args:
        style: A card that was loaded or saved.
        verdicts: What came of comparing the prompt (`restyle.diagnosis.Status`) for each stage: ``error`` is noted,
            ``ok`` and ``warning`` take a note back, and ``unverifiable`` leaves it.
    """
    path = _path(style)
    if path is None:
        return
    before = _read(path)
    settled = {role for role, verdict in verdicts.items() if verdict != "unverifiable"}
    after: dict[str, str] = {role: note for role, note in before.items() if role not in settled}
    after |= {role: _digest(style, role) for role, verdict in verdicts.items() if verdict == "error"}
    if after:
        write_atomically(path, json.dumps(after, indent=2) + "\n")
    elif before:
        path.unlink()


def refuse_known_difference(style: Style, role: Role) -> None:
    """Say no to a stage that doctor found to differ.

    Raises:
        ModelError: It did.
        CardError: Its note cannot be read.
    """
    path = _path(style)
    if path is None or not path.exists():
        return
    if _read(path).get(role) == _digest(style, role):
        raise ModelError(
            f"model {style.stage(role).model!r} of {style.name!r} is not asked: its endpoint renders another prompt "
            f"than the trained one; 'restyle doctor {style.name}' shows the difference, and checks again"
        )


def _path(style: Style) -> Path | None:
    return style.directory and style.directory / NOTE_NAME


def _digest(style: Style, role: Role) -> str:
    return hashlib.sha256(json.dumps(asdict(style.stage(role)), sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> dict[str, str]:
    try:
        note = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        note = None
    if not isinstance(note, dict):
        raise CardError(f"{path}: not a note of 'restyle doctor': remove it and run that again")
    return note
