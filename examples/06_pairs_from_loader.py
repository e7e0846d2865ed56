"""From a document loader to a style. Run it: python examples/06_pairs_from_loader.py.

It runs offline: a sandbox on this machine plays the teacher, with plain versions recorded for the demonstration's
texts. With a model of your own, drop the sandbox and give ChatOpenAI its name; with texts of your own, take any loader.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_openai import ChatOpenAI

from langchain_restyle import Restyle, build_pairs
from restyle import train
from restyle.demo import CORPUS, RECORDED
from restyle.testing import Sandbox

PLAIN = {row["text"]: row["neutral"] for row in map(json.loads, RECORDED.read_text("utf-8").splitlines())}


class LettersLoader(BaseLoader):
    """A folder of Markdown files, one document each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def lazy_load(self) -> Iterator[Document]:
        """Read one file after the other."""
        for path in sorted(self.folder.glob("*.md")):
            yield Document(path.read_text("utf-8"), metadata={"source": path.name})


def plain(messages: list[dict[str, str]]) -> str:
    """What the teacher says: the plain version of each paragraph of the text."""
    return "\n\n".join(PLAIN[paragraph] for paragraph in messages[1]["content"].split("\n\n"))


def main() -> None:
    """Load, pair, train, restyle."""
    with tempfile.TemporaryDirectory() as folder, Sandbox(replies={"teacher": plain}) as sandbox:
        teacher = ChatOpenAI(model="teacher", base_url=sandbox.base_url, api_key=lambda: "none", temperature=0)
        for _ in range(2):  # the second time everything stands in the ledger
            pairs = build_pairs(LettersLoader(CORPUS), style="keeper", teacher=teacher, out=f"{folder}/pairs")
            print(f"answers asked of the teacher: {pairs.asked}, found in the ledger: {pairs.reused}")
        print("pairs:", ", ".join(f"{number} {split}" for split, number in pairs.manifest["pairs"].items()))
        print("dropped:", ", ".join(f"{number} {reason}" for reason, number in pairs.manifest["dropped"].items()))

        style = train(pairs, home=Path(folder))
        before = "The wind was very strong last night, but nothing was lost, and the sea is almost quiet now."
        print("before:", before)
        print("after: ", Restyle(style).invoke(before))


if __name__ == "__main__":
    main()
