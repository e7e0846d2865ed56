"""From a LlamaIndex reader to a fine-tuned LLM. Run it: python examples/09_llama_index_pairs.py.

It runs offline: a sandbox on this machine plays the teacher, with plain versions recorded for the demonstration's
texts. With a model of your own, drop the sandbox and give any chat LLM; with texts of your own, take any reader.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from llama_index.core import SimpleDirectoryReader

from llama_index_restyle import EndpointLLM, RestyleFinetuneEngine, build_pairs
from restyle.demo import CORPUS, RECORDED
from restyle.testing import Sandbox

PLAIN = {row["text"]: row["neutral"] for row in map(json.loads, RECORDED.read_text("utf-8").splitlines())}


def plain(messages: list[dict[str, str]]) -> str:
    """What the teacher says: the plain version of each paragraph of the text."""
    return "\n\n".join(PLAIN[paragraph] for paragraph in messages[1]["content"].split("\n\n"))


def main() -> None:
    """Read, pair, train, restyle."""
    reader = SimpleDirectoryReader(CORPUS, required_exts=[".md"])
    with tempfile.TemporaryDirectory() as folder, Sandbox(replies={"teacher": plain}) as sandbox:
        teacher = EndpointLLM(model="teacher", base_url=sandbox.base_url, request={"temperature": 0})
        for _ in range(2):  # the second time everything stands in the ledger
            pairs = build_pairs(
                reader, style="keeper", teacher=teacher, out=f"{folder}/pairs", source_id_key="file_name"
            )
            print(f"answers asked of the teacher: {pairs.asked}, found in the ledger: {pairs.reused}")
        print("pairs:", ", ".join(f"{number} {split}" for split, number in pairs.manifest["pairs"].items()))
        print("dropped:", ", ".join(f"{number} {reason}" for reason, number in pairs.manifest["dropped"].items()))

        engine = RestyleFinetuneEngine(None, f"{folder}/pairs", home=Path(folder))
        engine.finetune()
        print("job:", engine.get_current_job().id, engine.get_current_job().status)
        before = "The wind was very strong last night, but nothing was lost, and the sea is almost quiet now."
        print("before:", before)
        print("after: ", engine.get_finetuned_model().complete(before))


if __name__ == "__main__":
    main()
