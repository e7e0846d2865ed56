"""A downloaded adapter: its archive unpacked into a folder that is there only when all of it is."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from restyle.errors import MissingExtraError, TrainingError

__all__ = ["base_of", "fetch_adapter", "template_digest"]

_CONFIG, _WEIGHTS, _TOKENIZER = "adapter_config.json", "adapter_model.safetensors", "tokenizer_config.json"
_TEMPLATE = "chat_template.jinja"
_KEPT = frozenset({".safetensors", ".json", ".txt", ".jinja"})  # no pickles, which .bin and .pt are
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ON_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_AGAIN = "train again, which fetches it once more: nothing is paid twice"


def fetch_adapter(folder: Path, download: Callable[[Path], None]) -> None:
    """Put an adapter into ``folder``; where that is there already, nothing is done.

    Args:
        folder: Where its files go, all of them in one place; only weights in safetensors and texts are kept.
        download: Writes the archive, a tar file as it is or compressed, to a path.

    Raises:
        TrainingError: The archive is damaged, holds no adapter or a path that leads out of it, or cannot be written.
        MissingExtraError: It is compressed with Zstandard, and the package for it is not installed.
    """
    if folder.is_dir():
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            archive, whole = Path(temporary, "archive"), Path(temporary, "adapter")
            download(archive)
            whole.mkdir()
            _unpack(archive, whole)
            _check(whole)
            _write_template(whole)
            whole.rename(folder)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise TrainingError(f"{folder}: the adapter's archive is damaged ({error}): {_AGAIN}") from error
    except OSError as error:
        if folder.is_dir():  # another process was quicker
            return
        raise TrainingError(
            f"{folder}: cannot be written ({error.strerror or error}): make room, then {_AGAIN}"
        ) from error


def template_digest(folder: Path) -> str:
    """SHA-256 of the chat template in an adapter's folder; empty where there is none."""
    path = folder / _TEMPLATE
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def base_of(folder: Path, base: str) -> str:
    """The base model's name on the Hugging Face Hub, as far as it is known; ``base`` is that at Together."""
    named = json.loads((folder / _CONFIG).read_bytes()).get("base_model_name_or_path")
    if isinstance(named, str) and _ON_HUB.fullmatch(named):
        return named
    return base.removesuffix("-Reference")  # which Together adds to the names of Llama models


def _unpack(archive: Path, folder: Path) -> None:
    with ExitStack() as stack:
        file = stack.enter_context(archive.open("rb"))
        # A stream that is read once, from front to back: nothing is sought, and nothing is held in memory.
        tar = stack.enter_context(tarfile.open(fileobj=_plain(file, stack), mode="r|*"))
        for member in tar:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                raise TrainingError(f"{folder.name}: the archive holds {member.name!r}, a path out of it: ask the host")
            if not (member.isfile() and path.suffix in _KEPT and _NAME.fullmatch(path.name)):
                continue
            source = tar.extractfile(member)
            if source is not None:
                if (folder / path.name).exists():
                    raise ValueError(f"two files are called {path.name}")
                with source, (folder / path.name).open("xb") as target:
                    shutil.copyfileobj(source, target)


def _plain(file: IO[bytes], stack: ExitStack) -> IO[bytes]:
    beginning = file.read(len(_ZSTANDARD))
    file.seek(0)
    if beginning != _ZSTANDARD:
        return file
    return stack.enter_context(_decompressed(file))


@contextmanager
def _decompressed(file: IO[bytes]) -> Iterator[IO[bytes]]:
    try:
        from zstandard import ZstdDecompressor, ZstdError  # noqa: PLC0415 - of the extra 'together'
    except ImportError as error:
        raise MissingExtraError("zstandard", "together", "unpacking an adapter of Together's") from error
    try:
        with ZstdDecompressor().stream_reader(file) as reader:
            yield reader
    except ZstdError as error:
        raise tarfile.ReadError(str(error)) from error


def _check(folder: Path) -> None:
    for name in (_CONFIG, _WEIGHTS):
        if not (folder / name).is_file():
            held = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing of use"
            raise TrainingError(f"the archive has no {name}, but {held}: ask the host for the job's adapter")
    if not isinstance(json.loads((folder / _CONFIG).read_bytes()), dict):
        raise ValueError(f"{_CONFIG} is no JSON object")  # noqa: TRY004 - told above with what else is damaged


def _write_template(folder: Path) -> None:
    """Older tokenizers keep the chat template in their configuration, where no server looks for a file."""
    tokenizer = folder / _TOKENIZER
    if (folder / _TEMPLATE).exists() or not tokenizer.is_file():
        return
    configuration = json.loads(tokenizer.read_bytes())
    template = configuration.get("chat_template") if isinstance(configuration, dict) else None
    if isinstance(template, str):
        (folder / _TEMPLATE).write_bytes(template.encode())
