"""Which LLM plays which role, what it is sent, and what its answers are taken for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, TextBlock
from llama_index.core.callbacks import CallbackManager

from llama import ScriptedLLM
from llama_index_restyle.embedded_llm import EmbeddedLLM
from llama_index_restyle.endpoint_llm import EndpointLLM
from llama_index_restyle.models import chat_llm, messages_of, parse_response
from restyle.errors import CardError
from restyle.messages import Answer, Ask
from restyle.stage import Stage
from restyle.style import Style
from support import style_of


def response(*texts, raw=None, message=None, **fields):
    blocks = [TextBlock(text=text) for text in texts]
    return ChatResponse(
        message=ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=message or {}),
        raw=raw,
        **fields,
    )


@pytest.mark.parametrize("text", [" {x} $y %s\r\n", "\u00a0nbsp\u200b", "```\ncode\n```"])
def test_the_text_is_sent_as_it_is(text):
    system, user = messages_of(Ask("Rewrite {x}.", text, "restyle"))
    assert (system.role, system.content) == (MessageRole.SYSTEM, "Rewrite {x}.")
    assert (user.role, user.content) == (MessageRole.USER, text)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (response("a"), Answer("a")),
        (response("a\n", " b"), Answer("a\n b")),
        (response(), Answer("")),
        (response(message={"refusal": "I cannot."}), Answer("I cannot.")),
        (response(message={"reasoning_content": "hm"}), Answer("", None, "hm")),
        (response("a", raw={"choices": [{"finish_reason": "length"}]}), Answer("a", "length")),
        (response("a", raw=SimpleNamespace(choices=[SimpleNamespace(finish_reason="stop")])), Answer("a", "stop")),
        (response("a", raw={"stop_reason": "end_turn"}), Answer("a", "end_turn")),
        (response("a", raw={"done_reason": "length"}), Answer("a", "length")),
        (response("a", additional_kwargs={"finish_reason": "stop"}), Answer("a", "stop")),
        (response("a", raw={"choices": []}), Answer("a")),
        (response("a", raw=object()), Answer("a")),
    ],
)
def test_answers_are_understood(said, expected):
    assert parse_response(said) == expected


def test_thinking_blocks_are_reasoning():
    types = pytest.importorskip("llama_index.core.base.llms.types")
    if not hasattr(types, "ThinkingBlock"):
        pytest.skip("this core has no thinking blocks")
    blocks = [types.ThinkingBlock(content="hm"), TextBlock(text="a")]
    said = ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks))
    assert parse_response(said) == Answer("a", None, "hm")


def test_a_given_llm_is_used_as_it_is():
    given = ScriptedLLM()
    assert chat_llm(style_of(), "restyle", given) is given


@pytest.mark.parametrize(
    ("role", "spec", "expected"),
    [
        ("restyle", None, ("styler", "http://127.0.0.1:1/v1")),
        ("destyle", None, ("neutraliser", "http://127.0.0.1:1/v1")),
        ("restyle", "ft:gpt-9:draft-style", ("ft:gpt-9:draft-style", "http://127.0.0.1:1/v1")),
        ("restyle", "openai:gpt-9", ("gpt-9", None)),
    ],
)
def test_models_are_reached_by_name(role, spec, expected):
    manager = CallbackManager([])
    llm = chat_llm(style_of(), role, spec, callback_manager=manager)
    assert type(llm) is EndpointLLM
    assert (llm.model, llm.base_url) == expected
    assert llm.callback_manager is manager


def test_an_embedded_style_has_models_on_this_machine(trained_keeper):
    card = Style.load("keeper", home=trained_keeper)
    for role in ("restyle", "destyle"):
        llm = chat_llm(card, role)
        assert type(llm) is EmbeddedLLM
        assert (llm.style, llm.role) == (card, role)
    with pytest.raises(CardError, match="write 'openai:other' for OpenAI's, or give an LLM"):
        chat_llm(card, "restyle", "other")


def test_what_cannot_be_reached_is_refused():
    with pytest.raises(CardError):
        chat_llm(style_of(destyle=False), "destyle")
    strange = Style("author", Stage("Rewrite.", "model", "http://127.0.0.1:1/v1", provider="strange"))
    with pytest.raises(CardError, match="provider 'strange'"):
        chat_llm(strange, "restyle")
