"""The demonstration: a lighthouse keeper's papers, written for this project, and plain answers that he never saw.

``keeper/`` holds the author's documents and ``recorded.jsonl`` with a plain version of each of their paragraphs, in
place of a teacher's answers. The passages of ``17-slips.md`` have answers with the faults that teachers really make, so
that the filters have something to drop.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from restyle.style import Style

__all__ = ["ANSWERS", "CORPUS", "RECORDED", "STYLE", "keeper"]

STYLE = "keeper"
CORPUS = Path(__file__).parent / "keeper"
RECORDED = CORPUS / "recorded.jsonl"

# What some application answered, final in content: none of it stands in the corpus.
ANSWERS = {
    "How was the crossing?": (
        "The ferry from Falmouth was almost 40 minutes late, because the wind was very strong last night. Captain Anna "
        "Reyes told me that the sea was quiet at dawn, but she did not want to leave before 6:30. I think the boat "
        "will come back in the evening, although bad weather is always possible in November."
    ),
    "What is there to see?": (
        "It is often very cold in the tower, and there is nothing to buy there. Perhaps the lamp is the most beautiful "
        "thing, because it was repaired carefully in 1998 and has 3 wicks [1]. The children always looked at the small "
        "birds near the door while their father asked about the storm."
    ),
    "Is the work hard?": (
        "I remember that my friend Ingrid Holm was tired every day, until someone asked for the boat. Then she was "
        "happy, and she repaired 12 windows without help. It is difficult work, and the money comes slowly, but I do "
        "not know anyone who wanted to leave."
    ),
}


def keeper() -> Style:
    """The keeper's style: what ``restyle demo`` has made, or one trained now, in seconds, for this process only."""
    from restyle.data.pairs import build_pairs  # noqa: PLC0415 - the corpus alone costs nothing
    from restyle.style import Style  # noqa: PLC0415 - as above
    from restyle.training import train  # noqa: PLC0415 - as above

    if STYLE in Style.list():
        return Style.load(STYLE)
    folder = Path(tempfile.mkdtemp(prefix="restyle-keeper-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return train(build_pairs(CORPUS, style=STYLE, teacher=RECORDED, out=folder / "pairs"), home=folder)
