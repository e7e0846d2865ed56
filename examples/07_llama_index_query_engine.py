"""A LlamaIndex query engine that answers in one author's voice. Run it: python examples/07_llama_index_query_engine.py.

It runs offline: a sandbox on this machine plays the application's model, and the style is the demonstration's keeper.
With models of your own, drop the sandbox and `Words`, and give the index what you use; any query engine can be wrapped.
"""

from __future__ import annotations

import re
from typing import Any
from zlib import crc32

from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding

from llama_index_restyle import EndpointLLM, RestyleQueryEngine, SingleIdeaNodeParser
from restyle.demo import CORPUS, keeper
from restyle.testing import Sandbox

QUESTION = "Why did Amos never wind the silver watch that the Board sent?"
ANSWER = (
    "The Board sent 20 pounds before Easter and a silver watch for Amos, but he never wound it. He thought it was very "
    "strange to be given money for something that any friend would do."
)


class Words(BaseEmbedding):
    """How often each word occurs, hashed to one of 1024 places: in place of an embedding model."""

    def _get_text_embedding(self, text: str) -> list[float]:
        places = [0.0] * 1024
        for word in re.findall(r"\w{4,}", text.lower()):
            places[crc32(word.encode()) % 1024] += 1
        return places

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def main() -> None:
    """Index the keeper's papers, ask, answer, restyle: whole and streaming."""
    style = keeper()
    documents = SimpleDirectoryReader(CORPUS, required_exts=[".md"]).load_data()
    nodes = SingleIdeaNodeParser().get_nodes_from_documents(documents)
    prose = [node for node in nodes if not node.metadata["verbatim"]]  # no headings, lists and tables
    index = VectorStoreIndex(prose, embed_model=Words())
    with Sandbox(replies={"application": ANSWER}) as sandbox:
        llm = EndpointLLM(model="application", base_url=sandbox.base_url)

        engine = RestyleQueryEngine(index.as_query_engine(llm=llm), style=style)
        response = engine.query(QUESTION)
        for source in response.source_nodes:
            print(f"{source.node.metadata['file_name']}, {source.score:.2f}: {source.text[:60]}...")
        print(response)

        engine = RestyleQueryEngine(index.as_query_engine(llm=llm, streaming=True), style=style)
        streaming: Any = engine.query(QUESTION)
        print("".join(streaming.response_gen))


if __name__ == "__main__":
    main()
