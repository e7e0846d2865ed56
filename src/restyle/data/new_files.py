"""Files that are written line by line, and take their places together once all of them are whole."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from restyle.errors import PairsError

__all__ = ["NewFile", "new_files"]

_ABANDONED = 24 * 3600.0  # seconds without a change after which a temporary file is nobody's: its writer was killed


class NewFile:
    """A text file under a temporary name beside the one that it is going to replace.

    Attributes:
        digest: Of what was written so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digest = hashlib.sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{path.name}.*.tmp"):
            with suppress(FileNotFoundError):  # another run's, and in its place by now
                if time.time() - left.stat().st_mtime > _ABANDONED:
                    left.unlink()
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        self._file = self._temporary.open("xb")

    def write(self, line: str) -> None:
        """Add a line."""
        data = f"{line}\n".encode()
        self.digest.update(data)
        self._file.write(data)

    def end(self) -> None:
        """Have it all on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def replace(self) -> None:
        """Let it take its place."""
        self._temporary.replace(self.path)

    def discard(self) -> None:
        """Remove it, unless it has taken its place."""
        with suppress(OSError):  # on a full disk, what is left in the buffer makes it fail once more
            self._file.close()
        self._temporary.unlink(missing_ok=True)


@contextmanager
def new_files(directory: Path, names: Iterable[str]) -> Generator[dict[str, NewFile], None, None]:
    """Files below ``directory``, by name, that take their places at the end of the with-block, one after the other.

    After an error in it none does.

    Raises:
        PairsError: The disk is full, or the folder cannot be written to.
    """
    with ExitStack() as stack:
        try:
            files = {}
            for name in names:
                files[name] = NewFile(directory / name)
                stack.callback(files[name].discard)
            yield files
            for file in files.values():
                file.end()
            for file in files.values():
                file.replace()
        except OSError as error:
            raise PairsError(
                f"{directory}: the files cannot be written ({error.strerror}): make room or choose another folder, and "
                "run again: nothing is paid twice"
            ) from error
