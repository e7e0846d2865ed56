"""What stands around `Restyle` in an application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import Any
from warnings import catch_warnings

from langchain_classic.chains import create_retrieval_chain
from langchain_classic.chains.combine_documents import create_stuff_documents_chain
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    ConfigurableField,
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

from contract.models import TONED
from contract.shapes import DOCUMENTS, QUESTION, TEXT, Shape
from contract.sources import Source
from langchain_restyle import Restyle
from restyle.prompts import RESTYLE_PROMPT

__all__ = ["CHOSEN", "TONED_PROMPT", "WRAPPINGS", "Given", "Wrapping", "configurable"]

Built = tuple[Runnable[Any, Any], Any]  # a runnable and its input

TONED_PROMPT = TONED.restyle.prompt.replace("$tone", "dry")


@dataclass
class Given:
    """What reaches `Restyle`: a value, or the same in chunks."""

    shape: Shape
    chunked: bool

    @cached_property
    def value(self) -> Any:
        return self.shape.make(str)

    @cached_property
    def source(self) -> Runnable[Any, Any]:
        """A model, as it were: whatever it is asked, it gives that."""
        return Source(self.shape.chunks()).runnable if self.chunked else RunnableLambda(lambda _: self.value)

    def into(self, runnable: Runnable[Any, Any]) -> Built:
        return (self.source | runnable, QUESTION) if self.chunked else (runnable, self.value)


def _itself(output: Any, _: Given) -> Any:
    return output


@dataclass(frozen=True)
class Wrapping:
    """One surrounding.

    Attributes:
        name: Of its tests.
        build: Puts a `Restyle` into it.
        restyled: Finds in its output what `Restyle` gave, and checks the rest.
        config: Of the call.
        prompt: What the style model must be told.
    """

    name: str
    build: Callable[[Restyle, Given], Built]
    restyled: Callable[[Any, Given], Any] = _itself
    config: RunnableConfig = field(default_factory=RunnableConfig)
    prompt: str = RESTYLE_PROMPT


def _around(wrap: Callable[[Restyle], Runnable[Any, Any]]) -> Callable[[Restyle, Given], Built]:
    return lambda restyle, given: given.into(wrap(restyle))


def configurable(restyle: Restyle) -> Runnable[Any, Any]:
    fields = {name: ConfigurableField(id=name) for name in ("style", "parameters")}
    return restyle.configurable_fields(**fields)


def _beside(output: dict[str, Any], given: Given) -> Any:
    assert set(output) == {"text", "same"}
    assert output["same"] == given.value
    return output["text"]


class _Shelf(BaseRetriever):
    """It has one document."""

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - the base class looks for it
    ) -> list[Document]:
        assert query == QUESTION
        return DOCUMENTS


_PROMPT = ChatPromptTemplate.from_messages([("system", "Answer from this: {context}"), ("user", "{input}")])


def _model() -> Runnable[Any, Any]:
    """It streams, and says the same as the shape."""
    return RunnableLambda(lambda _: GenericFakeChatModel(messages=iter([AIMessage(TEXT)])))


def _rag(restyle: Restyle, given: Given) -> Built:
    """With LangChain's helpers."""

    def chain(model: Runnable[Any, Any], **options: Any) -> Runnable[Any, Any]:
        with catch_warnings(action="ignore", category=DeprecationWarning):  # applications do use it
            return create_retrieval_chain(_Shelf(), create_stuff_documents_chain(model, _PROMPT, **options))

    if given.shape.name == "answer":
        return chain(_model()) | restyle, {"input": QUESTION}
    return chain(given.source, output_parser=restyle), {"input": QUESTION}


def _assign(restyle: Restyle, given: Given) -> Built:
    """Without."""
    question = RunnablePassthrough.assign(context=itemgetter("input") | _Shelf())
    if given.shape.name == "answer":
        return question.assign(answer=_PROMPT | _model() | StrOutputParser()) | restyle, {"input": QUESTION}
    return question.assign(answer=_PROMPT | given.source | restyle), {"input": QUESTION}


def _answer(output: dict[str, Any], given: Given) -> Any:
    if given.shape.name == "answer":
        return output
    assert set(output) == {"input", "context", "answer"}
    assert output["input"] == QUESTION
    assert output["context"] == DOCUMENTS
    return output["answer"]


CHOSEN = RunnableConfig(configurable={"style": "toned", "parameters": {"tone": "dry"}})

WRAPPINGS = [
    Wrapping("plain", _around(lambda restyle: restyle)),
    Wrapping("config", _around(lambda restyle: restyle.with_config(tags=["mine"], run_name="author"))),
    Wrapping(
        "types", _around(lambda restyle: restyle.with_types(input_type=Any).with_listeners(on_end=lambda _: None))
    ),
    Wrapping("retry", _around(lambda restyle: restyle.with_retry())),
    Wrapping("fallbacks", _around(lambda restyle: restyle.with_fallbacks([RunnableLambda(_nobody)]))),
    Wrapping(
        "bound",
        _around(lambda restyle: restyle.bind(style="toned", parameters={"tone": "dry"})),
        prompt=TONED_PROMPT,
    ),
    Wrapping("configurable", _around(configurable), config=CHOSEN, prompt=TONED_PROMPT),
    Wrapping("configured", _around(lambda restyle: configurable(restyle).with_config(CHOSEN)), prompt=TONED_PROMPT),
    Wrapping(
        "parallel",
        _around(lambda restyle: RunnableParallel(text=restyle, same=RunnablePassthrough())),
        restyled=_beside,
    ),
    Wrapping(
        "branch",
        _around(lambda restyle: RunnableBranch((lambda _: False, _nobody), RunnablePassthrough()) | restyle),
    ),
    Wrapping("in_branch", _around(lambda restyle: RunnableBranch((lambda _: True, restyle), _nobody))),
    Wrapping("lambda", _around(lambda restyle: restyle | RunnableLambda(lambda output: output))),
    Wrapping("rag", _rag, restyled=_answer),
    Wrapping("assign", _assign, restyled=_answer),
]


def _nobody(_: Any) -> Any:
    raise AssertionError("this way should not have been taken")
