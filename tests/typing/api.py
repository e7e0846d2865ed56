"""The public API as a user writes it. Type checkers read this file; nothing runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import assert_type

from langchain.agents import create_agent
from langchain.agents.middleware import InputAgentState
from langchain_core.chat_sessions import ChatSession
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, Runnable
from langchain_openai import ChatOpenAI

import restyle
from langchain_restyle import (
    ChatTeacher,
    EmbeddedChatModel,
    Restyle,
    RestyledChatModel,
    RestyleMiddleware,
    SingleIdeaSplitter,
)
from langchain_restyle import build_pairs as build_pairs_of
from restyle import (
    Block,
    Loss,
    PairSet,
    Policy,
    Prompt,
    RestyleError,
    Rewrite,
    Rewritten,
    Splitter,
    Stage,
    Style,
    abuild_pairs,
    arewrite,
    arewrite_stream,
    build_pairs,
    losses,
    rewrite,
    rewrite_stream,
    split_blocks,
    train,
)
from restyle.embedded import PhraseModel
from restyle.errors import LossError, StyleNotFoundError
from restyle.testing import Fault, Recorded, Sandbox
from restyle.training import Plan, Progress, Training, prepare
from restyle.training.hosts.records import jobs, open_job


def make_and_keep_a_card(home: Path) -> Style:
    style = Style(
        "author",
        restyle=Stage("Please rewrite the text in your style. Be $tone.", "author-lora", "http://localhost:8000/v1"),
        destyle=Stage("Please rewrite the text neutrally.", "author-plain", request={"temperature": 0.0}),
        parameters={"tone": ["warm", "dry"]},
    )
    assert_type(style.save(home), Path)
    assert_type(Style.list(home), list[str])
    assert_type(style.stage("restyle").digest, str)
    assert_type(Prompt("Be $tone.").render({"tone": "dry"}), str)
    return Style.load("author", home)


def cut(text: str) -> tuple[list[Block], list[Loss]]:
    splitter = Splitter(aim=120, minimum=30, maximum=300)
    blocks = [*splitter.feed(text), *splitter.flush()]
    words = sum(len(block.text.split()) for block in blocks if not block.verbatim)
    assert_type(words, int)
    assert_type((blocks[0].start, blocks[0].end), tuple[int, int])
    return split_blocks(text, aim=180, minimum=40, maximum=400), losses(text, text.upper())


def rewrite_a_text(text: str, style: Style | str) -> str:
    result = rewrite(text, style, parameters={"tone": "dry"}, attempts=3, on_loss="neutral", max_concurrency=8)
    assert_type(result, Rewrite)
    for block in result.blocks:
        assert_type(block, Rewritten)
        assert_type(block.text, str)
        assert_type([loss.added for loss in block.losses], list[bool])
    return result.text


def rewrite_a_stream(chunks: Iterator[str]) -> Iterator[str]:
    for block in rewrite_stream(chunks, "author", destyle=False, on_error="original"):
        yield block.text


async def rewrite_in_tasks(text: str, chunks: AsyncIterator[str]) -> str:
    parts = [block.text async for block in arewrite_stream(chunks, "author")]
    return (await arewrite(text, "author", on_loss="keep")).text + "".join(parts)


def learn(letters: Path, out: Path, home: Path) -> Style:
    pairs = build_pairs([letters], style="author", teacher="openai:gpt-6-luna", out=out, max_concurrency=64)
    assert_type(pairs, PairSet)
    assert_type(pairs.rows("restyle", "train")[0].answer, str)
    assert_type(train(out), Style)
    return train(PairSet.load(out), provider="embedded", home=home)


def learn_at_a_host(out: Path, told: list[float]) -> tuple[str, float | None]:
    training = prepare(out, provider="nebius", base="Qwen/Qwen3-8B", epochs=2)
    assert_type(training, Training)
    assert_type(training.plan, Plan)
    assert_type(training.plan.parts["restyle"].tokens, int | None)
    training.start()

    def hear(now: Progress) -> None:
        if now.held_out_loss is not None:
            told.append(now.held_out_loss)

    training.wait(hear)
    assert_type(training.result(), Style)
    for record in jobs():
        assert_type(open_job(record.id).status(), str)
    return training.id, training.plan.cost


async def learn_in_tasks(letters: Path, out: Path, progress: list[float]) -> PairSet:
    return await abuild_pairs(
        letters,
        style="author",
        teacher="my-model",
        base_url="http://localhost:8000/v1",
        out=out,
        on_progress=lambda now: progress.append(now.done / now.total),
    )


def teach_a_phrase_model(path: Path) -> str:
    model = PhraseModel.fit(["It was very cold."], ["'Twas uncommon cold."], monolingual=["'Twas a cold morn."])
    model.save(path)
    return PhraseModel.load(path).rewrite("It was very cold.", strength=0.6)


def chains(style: Style, sandbox: Sandbox) -> str:
    prompt = ChatPromptTemplate.from_template("Answer: {question}")
    model = ChatOpenAI(base_url=sandbox.base_url, model="echo", api_key=lambda: "none")
    chain = prompt | model | StrOutputParser() | Restyle(style="author", parameters={"tone": "dry"})
    answer: str = chain.invoke({"question": "Why?"})  # whatever the chain gave before
    for chunk in chain.stream({"question": "Why?"}):
        answer += chunk
    runnable: Runnable[str, str] = Restyle(
        style,
        style_model=model.with_retry(),
        destyle_model="author-plain",
        destyle=True,
        attempts=3,
        on_loss="raise",
        on_error="original",
        key="answer",
        final_only=True,
        include_neutral=True,
        max_concurrency=4,
    )
    configurable = Restyle(style).configurable_fields(style=ConfigurableField(id="style"))
    configurable.batch([AIMessage("One."), "Two."], {"max_concurrency": 2})
    Restyle(style).bind(style="author", parameters={"tone": "warm"}).invoke("One.")
    assert_type(Restyle(style).invoke(ChatPromptValue(messages=[])), ChatPromptValue)
    assert_type(Restyle(style).invoke({"answer": "One."}), dict[str, str])
    return answer + runnable.invoke("One.")


async def chains_in_tasks(style: Style) -> list[str]:
    runnable = Restyle(style)
    assert_type(await runnable.ainvoke(AIMessage("One.")), AIMessage)
    assert_type(await runnable.abatch(["One."], return_exceptions=True), list[str])
    return [chunk async for chunk in runnable.astream("One.")]


def chat() -> str:
    model: BaseChatModel = EmbeddedChatModel(style="keeper", role="destyle", strength=0.8)
    return str(model.invoke("'Twas uncommon cold.").text)


def agents(model: BaseChatModel, question: InputAgentState) -> str:
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"It is very cold in {city}."

    agent = create_agent(model, [weather], middleware=[RestyleMiddleware("keeper", final_only=False, attempts=1)])
    agent.invoke(question)
    restyled: BaseChatModel = RestyledChatModel(model.with_retry(), "keeper", on_loss="keep", tags=["styled"])
    return str(restyled.bind_tools([weather]).invoke("Why?").text)


def learn_from_documents(loader: BaseLoader, sessions: list[ChatSession], model: BaseChatModel, out: Path) -> PairSet:
    splitter = SingleIdeaSplitter(aim=120)
    pieces = splitter.split_documents(loader.lazy_load())
    assert_type(pieces, list[Document])
    assert_type(splitter.split_text("One."), list[str])
    build_pairs_of(sessions, style="author", teacher="openai:gpt-6-luna", out=out, sender="Anna")
    build_pairs_of(loader, style="author", teacher=ChatTeacher(model, identity="mine"), out=out)
    build_pairs_of({"anna": sessions, "bert": loader}, style="both", teacher=[model, "openai:gpt-6-luna"], out=out)
    return build_pairs_of(pieces, style="author", teacher=model, out=out, source_id_key=lambda each: each.id, seed=3)


def sandboxed(home: Path) -> list[Recorded]:
    with Sandbox(home=home, replies={"yes": "Yes.", "last": lambda messages: str(messages[-1]["content"])}) as sandbox:
        sandbox.inject(Fault("status", status=503, retry_after=0.1), times=2)
        assert_type(sandbox.base_url, str)
        return sandbox.requests


def errors(text: str) -> str:
    try:
        return rewrite(text, "nobody", on_loss="raise").text
    except StyleNotFoundError as error:
        return str(error)
    except LossError:
        return Policy(attempts=1).on_loss
    except RestyleError:
        return restyle.__version__


def mistakes() -> None:
    """Each is an error; ``warn_unused_ignores`` fails where a checker no longer sees it."""
    Restyle("author", on_los="keep")  # type: ignore[call-arg]
    Restyle("author", on_loss="ignore")  # type: ignore[arg-type]
    Restyle("author").invoke(42)  # type: ignore[type-var]
    Restyle()  # type: ignore[call-arg]
    RestyleMiddleware("author", atempts=2)  # type: ignore[call-arg]
    RestyledChatModel("gpt-6-luna", "author")  # type: ignore[arg-type]
    build_pairs_of("letters", style="author", out="pairs")  # type: ignore[call-arg]
    rewrite("text", "author", attempt=3)  # type: ignore[call-arg]
    Fault("flood")  # type: ignore[arg-type]
