"""`EmbeddedChatModel` is a chat model like any other."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_tests.unit_tests import ChatModelUnitTests
from pydantic import ValidationError

from langchain_restyle import EmbeddedChatModel
from restyle import Style
from restyle.demo import ANSWERS
from restyle.embedded import PhraseModel
from restyle.errors import StyleNotFoundError
from scripted import collected, summed

TEXT = "It was very cold, and nothing was lost. I think the boat will come back [1]."


pytestmark = pytest.mark.usefixtures("keeper_home")


class TestStandard(ChatModelUnitTests):
    @property
    def chat_model_class(self):
        return EmbeddedChatModel

    @property
    def chat_model_params(self):
        return {"style": "keeper"}

    @property
    def standard_chat_model_params(self):
        return {}  # it has no temperature, and its tokens are not counted before they are made


@pytest.fixture
def model():
    return EmbeddedChatModel(style="keeper")


@pytest.fixture
def rewritten(keeper_home):
    card = Style.load("keeper", keeper_home)
    text = PhraseModel.load(card.model_path("restyle")).rewrite(TEXT)
    assert "uncommon bitter" in text
    return text


def test_it_rewrites_the_last_human_message(model, rewritten):
    message = model.invoke(TEXT)
    assert type(message) is AIMessage
    assert message.content == rewritten
    assert message.response_metadata["model_name"] == "keeper:restyle"
    assert message.response_metadata["finish_reason"] == "stop"
    assert message.usage_metadata["input_tokens"] == len(TEXT.split())
    assert message.usage_metadata["output_tokens"] == len(rewritten.split())
    history = [SystemMessage("Be brief."), HumanMessage("Hello."), AIMessage("It was very cold."), HumanMessage(TEXT)]
    assert model.invoke(history).content == rewritten


async def test_it_streams_the_same_text_by_sentence(model, rewritten):
    for chunks in (list(model.stream(TEXT)), await collected(model.astream(TEXT))):
        assert [bool(chunk.content) for chunk in chunks] == [True, True, False]
        whole = summed(chunks)
        assert whole.content == rewritten
        assert whole.response_metadata["model_name"] == "keeper:restyle"
        assert whole.usage_metadata == model.invoke(TEXT).usage_metadata
    assert (await model.ainvoke(TEXT)).content == rewritten
    assert [message.content for message in await model.abatch([TEXT, ""])] == [rewritten, ""]


def test_the_other_role_goes_the_other_way(rewritten):
    plain = EmbeddedChatModel(style="keeper", role="destyle").invoke(rewritten).content
    assert "very cold" in plain
    assert "uncommon" not in plain


def test_strength_is_the_dial():
    text = ANSWERS["How was the crossing?"]
    texts = {dial: EmbeddedChatModel(style="keeper", strength=dial).invoke(text).content for dial in (0.0, 0.4, 1.0)}
    assert texts[0.4] == EmbeddedChatModel(style="keeper").invoke(text).content
    assert len(set(texts.values())) > 1


def test_style_may_be_a_name_a_path_or_a_card(keeper_home, rewritten):
    folder = keeper_home / "styles" / "keeper"
    for style in ("keeper", folder, folder / "style.json", Style.load("keeper")):
        model = EmbeddedChatModel(style=style)
        assert model.invoke(TEXT).content == rewritten
        assert model.model_name == "keeper:restyle"


def test_stop_words_end_the_answer(model, rewritten):
    assert model.invoke(TEXT, stop=["boat", "craft", "[1]"]).content == rewritten.split("craft")[0].split("[1]")[0]
    assert model.bind(stop=["zzz"]).invoke(TEXT).content == rewritten


def test_what_cannot_be_answered_is_an_error(model):
    with pytest.raises(ValueError, match="no human message"):
        model.invoke([SystemMessage("Hello.")])
    with pytest.raises(ValueError, match="model is 'keeper:destyle', but this is 'keeper:restyle'"):
        model.invoke(TEXT, model="keeper:destyle")
    with pytest.raises(StyleNotFoundError):
        EmbeddedChatModel(style="nobody").invoke(TEXT)
    with pytest.raises(ValidationError, match="strength"):
        EmbeddedChatModel(style="keeper", strength=2.0)
    with pytest.raises(ValidationError, match="role"):
        EmbeddedChatModel(style="keeper", role="teacher")
