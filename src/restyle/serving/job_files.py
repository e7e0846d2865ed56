"""The files of a job, as its host validates them before it trains."""

from __future__ import annotations

from restyle.errors import RowError
from restyle.serving.rows import read_rows
from restyle.serving.store import Store
from restyle.serving.tuning_hosts import HOSTS
from restyle.serving.tuning_rules import TuningHost

__all__ = ["LEAST_ROWS", "FileError", "read_file"]

LEAST_ROWS = 10  # to train on, as at OpenAI
_MARK = b"\xef\xbb\xbf"


class FileError(Exception):
    """A training or validation file that cannot be used; ``param`` is which."""

    def __init__(self, message: str, param: str, code: str = "invalid_file") -> None:
        super().__init__(message)
        self.param = param
        self.code = code


def read_file(store: Store, file: str, param: str, host: TuningHost, *, needs_bom: bool) -> list[tuple[str, str]]:
    """The source and the target of every row.

    Args:
        store: Where the file is.
        file: Its id.
        param: What it is: ``training_file`` or ``validation_file``.
        host: Who validates it.
        needs_bom: Whether ``azure`` wants a byte order mark.

    Raises:
        FileError: It cannot be used.
    """
    if store.file(file) is None:
        raise FileError(f"{file} was deleted before the job began: upload it again", param)
    content, kind = store.content(file), param.replace("_", " ")
    # The code of restyle's own server is older than the hosts that it plays.
    code = "invalid_file_format" if host == "restyle" else f"invalid_{param}"
    failed = "" if host == "restyle" else f"The job failed due to a file format error in the {kind}. "
    if host == "azure" and needs_bom and not content.startswith(_MARK):
        raise FileError(f"{failed}The file must be UTF-8 with a byte order mark.", param, code)
    try:
        rows = read_rows(content, file, only_messages=HOSTS[host].only_messages)
    except RowError as error:
        raise FileError(f"{failed}{error}", param, code) from error
    least = LEAST_ROWS if param == "training_file" else 1
    if len(rows) < least:
        message = f"{kind.capitalize()} has {len(rows)} example(s), but must have at least {least} examples"
        raise FileError(message, param, "invalid_n_examples")
    return rows
