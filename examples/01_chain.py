"""A LangChain chain that ends in one author's voice. Run it: python examples/01_chain.py.

It runs offline: a sandbox on this machine plays the application's model, and the style is the demonstration's keeper.
With a model of your own, drop the sandbox and give ChatOpenAI its name.
"""

from __future__ import annotations

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

from langchain_restyle import Restyle
from restyle.demo import keeper
from restyle.testing import Sandbox

ANSWER = (
    "The boat came back to Porthennis at dawn with 14 passengers. The wind was very strong last night, but nothing was "
    "lost, and Captain Varco told me that the sea is almost quiet now [1]."
)


def main() -> None:
    """Ask, answer, restyle: whole and streaming."""
    style = keeper()
    with Sandbox(replies={"application": ANSWER}) as sandbox:
        prompt = ChatPromptTemplate.from_template("Answer briefly: {question}")
        model = ChatOpenAI(model="application", base_url=sandbox.base_url, api_key=lambda: "none")
        chain = prompt | model | StrOutputParser() | Restyle(style=style)

        print(chain.invoke({"question": "Is everybody safe?"}))
        print("".join(chain.stream({"question": "Is everybody safe?"})))


if __name__ == "__main__":
    main()
