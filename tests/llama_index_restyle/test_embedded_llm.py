"""`EmbeddedLLM` is an LLM like any other."""

from __future__ import annotations

import asyncio
import json
import pickle
from contextvars import ContextVar

import pytest
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms import ChatMessage, ImageBlock, MessageRole
from llama_index.core.llms.llm import LLM
from pydantic import ValidationError

from llama_index_restyle import embedded_llm
from llama_index_restyle.embedded_llm import EmbeddedLLM
from restyle import Style
from restyle.answering import phrase_model
from restyle.demo import ANSWERS
from restyle.errors import ShapeError, StyleNotFoundError

TEXT = "It was very cold, and nothing was lost. I think the boat will come back [1]."
MESSAGES = [ChatMessage("Be brief.", role="system"), ChatMessage(TEXT)]


pytestmark = pytest.mark.usefixtures("keeper_home")


@pytest.fixture
def llm():
    return EmbeddedLLM(style="keeper")


@pytest.fixture
def rewritten(keeper_home):
    card = Style.load("keeper", keeper_home)
    text = phrase_model(card.model_path("restyle")).rewrite(TEXT)
    assert "uncommon bitter" in text
    return text


def check(response, rewritten):
    assert response.raw["model"] == "keeper:restyle"
    assert response.raw["choices"][0]["finish_reason"] == "stop"
    read, written = len(TEXT.split()), len(rewritten.split())
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    assert response.raw["usage"] == response.additional_kwargs == usage


async def test_it_rewrites_the_last_user_message(llm, rewritten):
    assert LLM in EmbeddedLLM.__mro__
    history = [ChatMessage("It was very cold."), ChatMessage("Very.", role="assistant"), *MESSAGES]
    for response in (llm.chat(MESSAGES), await llm.achat(MESSAGES), llm.chat(history)):
        assert response.message.role is MessageRole.ASSISTANT
        assert response.message.content == rewritten
        assert response.delta is None
        check(response, rewritten)
    for response in (llm.complete(TEXT), await llm.acomplete(TEXT)):
        assert response.text == rewritten
        check(response, rewritten)
    assert llm.complete("").text == ""


async def test_it_streams_the_same_text_by_sentence(llm, rewritten):
    streams = [llm.stream_chat(MESSAGES), await llm.astream_chat(MESSAGES)]
    streams += [llm.stream_complete(TEXT), await llm.astream_complete(TEXT)]
    for stream in streams:
        responses = [each async for each in stream] if hasattr(stream, "__anext__") else list(stream)
        texts = [each.text if hasattr(each, "text") else each.message.content for each in responses]
        assert [bool(each.delta) for each in responses] == [True, True, False]
        assert texts == [responses[0].delta, rewritten, rewritten]
        assert "".join(each.delta for each in responses) == rewritten
        check(responses[-1], rewritten)


def test_the_other_role_goes_the_other_way(rewritten):
    plain = EmbeddedLLM(style="keeper", role="destyle").complete(rewritten).text
    assert "very cold" in plain
    assert "uncommon" not in plain


def test_strength_is_the_dial():
    text = ANSWERS["How was the crossing?"]
    texts = {dial: EmbeddedLLM(style="keeper", strength=dial).complete(text).text for dial in (0.0, 0.4, 1.0)}
    assert texts[0.4] == EmbeddedLLM(style="keeper").complete(text).text
    assert len(set(texts.values())) > 1


def test_style_may_be_a_name_a_path_or_a_card_and_survives_being_written_down(keeper_home, rewritten):
    folder = keeper_home / "styles" / "keeper"
    for style in ("keeper", folder, str(folder / "style.json"), Style.load("keeper")):
        llm = EmbeddedLLM(style=style, role="restyle", strength=0.4)
        described = json.loads(llm.to_json())
        assert described["class_name"] == EmbeddedLLM.class_name() == "restyle_embedded"
        for same in (llm, EmbeddedLLM.from_dict(described), pickle.loads(pickle.dumps(llm))):
            assert same.complete(TEXT).text == rewritten
            assert same.metadata.model_name == "keeper:restyle"
            assert same.metadata.is_chat_model
            assert same.to_dict() == llm.to_dict()


async def test_a_thread_does_the_work_and_knows_the_context(llm, rewritten, monkeypatch):
    known, seen = ContextVar("known", default="nothing"), []
    answer = embedded_llm.phrase_answer

    def noted(*arguments):
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        seen.append(known.get())
        return answer(*arguments)

    monkeypatch.setattr(embedded_llm, "phrase_answer", noted)
    known.set("here")
    assert (await llm.achat(MESSAGES)).message.content == rewritten
    assert [each async for each in await llm.astream_chat(MESSAGES)][-1].message.content == rewritten
    assert seen == ["here"] * 2


async def test_tokens_are_counted_once_a_call(llm, rewritten):
    counter = TokenCountingHandler(tokenizer=list)
    llm.callback_manager = CallbackManager([counter])
    llm.chat(MESSAGES)
    await llm.acomplete(TEXT)
    list(llm.stream_chat(MESSAGES))
    counts = [(each.prompt_token_count, each.completion_token_count) for each in counter.llm_token_counts]
    assert counts == [(len(TEXT.split()), len(rewritten.split()))] * 3


def test_stop_words_end_the_answer(llm, rewritten):
    assert llm.chat(MESSAGES, stop=["boat", "craft", "[1]"]).message.content == rewritten.split("craft")[0]
    assert llm.complete(TEXT, stop="craft").text == rewritten.split("craft")[0]
    assert llm.chat(MESSAGES, stop=["zzz"]).message.content == rewritten


def test_what_cannot_be_answered_is_an_error(llm):
    with pytest.raises(ValueError, match="no user message"):
        llm.chat(MESSAGES[:1])
    with pytest.raises(ShapeError, match="a user message holds a ImageBlock"):
        llm.chat([ChatMessage([ImageBlock(image=b"")])])
    with pytest.raises(ShapeError, match="a user message has no text"):
        llm.chat([ChatMessage(text=TEXT)])
    with pytest.raises(ValueError, match="model is 'keeper:destyle', but this is 'keeper:restyle'"):
        llm.chat(MESSAGES, model="keeper:destyle")
    with pytest.raises(StyleNotFoundError):
        EmbeddedLLM(style="nobody").complete(TEXT)
    with pytest.raises(ValidationError, match="strength"):
        EmbeddedLLM(style="keeper", strength=2.0)
    with pytest.raises(ValidationError, match="role"):
        EmbeddedLLM(style="keeper", role="teacher")
