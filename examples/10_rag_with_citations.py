"""A question to an author's papers, answered in his voice, with citations. Run it: python 10_rag_with_citations.py.

It runs offline: in the place of the application's model, a sandbox on this machine quotes from the recorded plain
versions of what it was given to read, and the style is the demonstration's keeper. With models of your own, drop the
sandbox, `quoting` and `Words`.
"""

from __future__ import annotations

import json
import re
from zlib import crc32

from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.query_engine import CitationQueryEngine

from llama_index_restyle import EndpointLLM, RestyleQueryEngine, SingleIdeaNodeParser
from restyle.demo import CORPUS, RECORDED, keeper
from restyle.testing import Sandbox

QUESTION = "How many years is it since the wreck of the Constance, and what did the Board send for Amos before Easter?"
PLAIN = {row["text"]: row["neutral"] for row in map(json.loads, RECORDED.read_text("utf-8").splitlines())}


def words(text: str) -> list[str]:
    """Its longer words."""
    return re.findall(r"\w{4,}", text.lower())


class Words(BaseEmbedding):
    """How often each word occurs, hashed to one of 1024 places: in place of an embedding model."""

    def _get_text_embedding(self, text: str) -> list[float]:
        places = [0.0] * 1024
        for word in words(text):
            places[crc32(word.encode()) % 1024] += 1
        return places

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def quoting(messages: list[dict[str, str]]) -> str:
    """What the application's model says: of every source the sentence that answers most, in plain words, cited."""
    asked, answer = {*words(QUESTION)}, []
    *_, context, _ = messages[-1]["content"].split("\n------\n")
    for number, source in re.findall(r"Source (\d+):\n(.*?)(?=\nSource \d|$)", context, re.DOTALL):
        plain = " ".join(PLAIN[paragraph] for paragraph in source.strip().split("\n\n") if paragraph in PLAIN)
        sentences = re.split(r"(?<=[.?!]) ", plain)
        best = max(sentences, key=lambda sentence: len(asked.intersection(words(sentence))))
        answer.append(f"{best.removesuffix('.')} [{number}].")
    return " ".join(answer)


def main() -> None:
    """Retrieve, answer, restyle, and say where it stands."""
    style = keeper()
    parser = SingleIdeaNodeParser()
    documents = SimpleDirectoryReader(CORPUS, required_exts=[".md"]).load_data()
    prose = [node for node in parser.get_nodes_from_documents(documents) if not node.metadata["verbatim"]]
    index = VectorStoreIndex(prose, embed_model=Words())
    with Sandbox(replies={"application": quoting}) as sandbox:
        llm = EndpointLLM(model="application", base_url=sandbox.base_url)
        citing = CitationQueryEngine.from_args(
            index,
            llm=llm,
            similarity_top_k=2,
            text_splitter=parser,  # type: ignore[arg-type]  # all that it needs is `split_text`
        )
        print(citing.query(QUESTION), end="\n\n")

        response = RestyleQueryEngine(citing, style=style).query(QUESTION)
        print(response, end="\n\n")
        for number, source in enumerate(response.source_nodes, 1):
            passage = source.text.partition("\n")[2]
            print(f"[{number}] {source.metadata['file_name']}: {passage[:80]}...")


if __name__ == "__main__":
    main()
