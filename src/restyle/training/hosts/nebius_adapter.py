"""An adapter as Nebius lets it be fetched: put down whole, and so that PEFT reads it, too."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from restyle.errors import TrainingError

__all__ = ["TEMPLATE", "Fetch", "fetch_adapter", "thinking_off"]

Fetch = Callable[[str, Path], None]
"""Writes the file of that id at the host to that path."""

TEMPLATE = "chat_template.jinja"

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_KEPT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.(safetensors|json|jinja|txt)")  # no pickles, and no paths
_PREFIX = "base_model.model."
_LENGTH = 8  # bytes in which a safetensors file says how long its header is
_AGAIN = "train again, which fetches it once more: nothing is paid twice"


def fetch_adapter(files: Mapping[str, str], folder: Path, fetch: Fetch) -> None:
    """Put a checkpoint's adapter into ``folder``; where that is there already, nothing is done.

    Args:
        files: Ids at the host, by name; only weights in safetensors and texts are kept.
        folder: Where they go; it is there only when all of them are.
        fetch: See `Fetch`.

    Raises:
        TrainingError: They are no adapter, or damaged, or cannot be written.
    """
    if folder.is_dir():
        return
    kept = {name: file for name, file in files.items() if _KEPT.fullmatch(name)}
    if missing := [name for name in (_CONFIG, _WEIGHTS) if name not in kept]:
        held = ", ".join(sorted(files)) or "no files"
        raise TrainingError(f"the checkpoint has no {missing[0]}, but {held}: ask the host for the job's adapter")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            whole = Path(temporary, "adapter")
            whole.mkdir()
            for name, file in kept.items():
                fetch(file, whole / name)
            _name_as_peft(whole / _WEIGHTS)
            whole.rename(folder)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise TrainingError(f"{folder}: the adapter's weights are damaged ({error}): {_AGAIN}") from error
    except OSError as error:
        raise TrainingError(
            f"{folder}: cannot be written ({error.strerror or error}): make room, then {_AGAIN}"
        ) from error


def thinking_off(template: str) -> dict[str, object]:
    """The request options that a model with this chat template needs to answer as it was trained, without thoughts."""
    return {"chat_template_kwargs": {"enable_thinking": False}} if "enable_thinking" in template else {}


def _name_as_peft(path: Path) -> None:
    """Give the weights the names that PEFT looks for: of shorter ones, as Nebius's are, it loads none and goes on."""
    with path.open("rb") as file:
        length, size = int.from_bytes(file.read(_LENGTH), "little"), path.stat().st_size
        header = json.loads(file.read(min(length, size)))
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        if size != (told := _LENGTH + length + max(ends, default=0)):
            raise ValueError(f"{size:,} bytes, not {told:,}")
        names = {name: name if name.startswith(("__", _PREFIX)) else _PREFIX + name for name in header}
        renamed = json.dumps({names[name]: tensor for name, tensor in header.items()}).encode()
        renamed += b" " * (-len(renamed) % _LENGTH)  # the weights begin at a multiple of 8
        new = path.with_suffix(".renamed")
        with new.open("wb") as target:
            target.write(len(renamed).to_bytes(_LENGTH, "little") + renamed)
            shutil.copyfileobj(file, target)
    new.replace(path)
