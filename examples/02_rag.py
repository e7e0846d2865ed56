"""Answers from documents, in one author's voice, citations and sources included. Run it: python examples/02_rag.py.

It runs offline: a sandbox on this machine plays the application's model, and the style is the demonstration's keeper.
With a model of your own, drop the sandbox and give ChatOpenAI its name; with documents of your own, take any retriever.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_openai import ChatOpenAI

from langchain_restyle import Restyle
from restyle.demo import keeper
from restyle.testing import Sandbox

DOCUMENTS = [
    Document("Puffins nest on the western ledge, far from the lighthouse, from April to August.", id="birds.md"),
    Document("The lamp of the lighthouse was lit in 1858 and has 4 wicks.", id="lamp.md"),
    Document("The boat from Porthennis brings the oil for the lamp every second Friday.", id="boat.md"),
]
QUESTION = {"question": "How old is the lamp of the lighthouse and who brings the oil for it?"}
ANSWER = (
    "The lamp was lit in 1858 and has 4 wicks [1]. It is very cold in the tower, but it is repaired carefully, and I "
    "think the light is almost as beautiful today as it was in the first year, because nobody ever forgot it.\n\n"
    "The oil comes with the boat from Porthennis every second Friday [2]. Perhaps it is late when the wind is strong."
)


class Library(BaseRetriever):
    """Finds the two documents that share most words with the question."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002 - the base class's signature
        words = {*query.lower().split()}
        return sorted(DOCUMENTS, key=lambda document: -len(words.intersection(document.page_content.split())))[:2]


def numbered(found: dict[str, Any]) -> str:
    """What was found, as the model sees and cites it."""
    return "\n".join(f"[{number}] {document.page_content}" for number, document in enumerate(found["context"], 1))


def main() -> None:
    """Retrieve, answer, restyle: whole and streaming."""
    style = keeper()
    with Sandbox(replies={"application": ANSWER}) as sandbox:
        prompt = ChatPromptTemplate.from_template("Answer from these, and cite them:\n{context}\n\n{question}")
        model = ChatOpenAI(model="application", base_url=sandbox.base_url, api_key=lambda: "none")
        found = RunnablePassthrough.assign(context=itemgetter("question") | Library())
        answer = RunnablePassthrough.assign(context=numbered) | prompt | model | StrOutputParser()
        chain: Runnable[Any, Any] = found.assign(answer=answer) | Restyle(style=style)

        result = chain.invoke(QUESTION)
        print(result["answer"], numbered(result), sep="\n\n")
        for chunk in chain.stream(QUESTION):
            print(chunk)


if __name__ == "__main__":
    main()
