"""A teacher's answers to the passages of `support`."""

from __future__ import annotations

import re
import threading
import time

from support import plain_passage


def plain(text: str) -> str:
    """The plain version of all passages in a text."""
    return "\n\n".join(plain_passage(int(number) - 100) for number in re.findall(r"number (\d+)", text))


def settle():
    """Wait for the calls that were under way when a run failed: nothing can interrupt a call in a thread."""
    deadline = time.monotonic() + 10
    while any(thread.name.startswith("restyle-teacher") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
