"""A LangGraph node that puts an answer into one author's voice. Run it: python examples/04_langgraph_node.py.

It runs offline: a sandbox on this machine plays the application's model, and the style is the demonstration's keeper.
"""

from __future__ import annotations

from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph

from langchain_restyle import Restyle
from restyle.demo import keeper
from restyle.testing import Sandbox

ANSWER = (
    "The boat came back to Porthennis at dawn with 14 passengers. The wind was very strong last night, but nothing was "
    "lost, and Captain Varco told me that the sea is almost quiet now [1]."
)


class State(TypedDict, total=False):
    """What the graph knows."""

    question: str
    answer: str


def main() -> None:
    """The same graph twice: its last node gives the answer whole, or streams it."""
    style = keeper()
    with Sandbox(replies={"application": ANSWER}) as sandbox:
        model = ChatOpenAI(model="application", base_url=sandbox.base_url, api_key=lambda: "none")

        def answer(state: State) -> State:
            return {"answer": model.invoke(state["question"]).text}

        def streaming(state: State) -> State:
            write, text = get_stream_writer(), ""
            for piece in Restyle(style).stream(state["answer"]):
                write(piece)
                text += str(piece)
            return {"answer": text}

        graph = StateGraph(State).add_node(answer).add_edge(START, "answer")
        graph.add_node("restyle", Restyle(style, key="answer")).add_edge("answer", "restyle")
        print(graph.compile().invoke({"question": "Is everybody safe?"})["answer"])

        graph = StateGraph(State).add_node(answer).add_edge(START, "answer")
        graph.add_node(streaming).add_edge("answer", "streaming")
        pieces = graph.compile().stream({"question": "Is everybody safe?"}, stream_mode="custom")
        print("".join(str(piece) for piece in pieces))


if __name__ == "__main__":
    main()
