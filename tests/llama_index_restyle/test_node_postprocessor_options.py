"""What node postprocessors take, what they refuse, and how they are written down."""

from __future__ import annotations

import pytest
from llama_index.core import Settings
from llama_index.core.callbacks import CallbackManager
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import ValidationError

from llama import MARKED_KEY, ScriptedLLM
from llama_index_restyle import DestyleNodePostprocessor, RestyleNodePostprocessor
from restyle.errors import CardError, ChatModelError, LossError, ParameterError
from restyle.prompts import RESTYLE_PROMPT, RESTYLE_PROMPT_TONE_MOOD
from restyle.stage import Stage
from restyle.style import Style
from support import style_of


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    monkeypatch.setattr(Settings, "_llm", None)
    monkeypatch.setattr("llama_index.core.settings.resolve_llm", lambda *_, **__: pytest.fail("Settings.llm was used"))


def found(text):
    return NodeWithScore(node=TextNode(text=text))


async def test_what_goes_wrong_is_dealt_with_as_is_said():
    lossy = ScriptedLLM(reply=lambda _: "Something else.")
    postprocessor = DestyleNodePostprocessor(style=style_of(), destyle_model=lossy, attempts=3)
    for (out,) in (
        postprocessor.postprocess_nodes([found("It was 12 below.")]),
        await postprocessor.apostprocess_nodes([found("It was 12 below.")]),
    ):
        assert out.node.text == "It was 12 below."
    assert len(lossy.calls) == 2 * 3
    raising = DestyleNodePostprocessor(style=style_of(), destyle_model=lossy, on_loss="raise")
    with pytest.raises(LossError):
        raising.postprocess_nodes([found("It was 12 below.")])
    with pytest.raises(LossError):
        await raising.apostprocess_nodes([found("It was 12 below.")])


def test_stripping_needs_the_destyle_model_only():
    with pytest.raises(CardError, match="style 'author' has no de-style model to strip passages with"):
        DestyleNodePostprocessor(style=style_of(destyle=False))
    with pytest.raises(ChatModelError):
        DestyleNodePostprocessor(style=style_of(), destyle_model=ScriptedLLM(chat_model=False))
    for misplaced in ({"style_model": ScriptedLLM()}, {"destyle": False}, {"api_key": MARKED_KEY}):
        with pytest.raises(ValidationError) as caught:
            DestyleNodePostprocessor(style=style_of(), **misplaced)
        assert next(iter(misplaced)) in str(caught.value)
        assert MARKED_KEY[-8:] not in str(caught.value)
    elsewhere = Stage(RESTYLE_PROMPT, "a/model", provider="elsewhere")  # which nobody here can reach
    style = Style("author", elsewhere, style_of().destyle)
    postprocessor = DestyleNodePostprocessor(
        style=style, destyle_model=ScriptedLLM(reply=lambda text: text.replace("very ", ""))
    )
    assert postprocessor.postprocess_nodes([found("very cold")])[0].node.text == "cold"


def test_each_takes_the_parameters_of_its_prompts():
    values = {"tone": ["dry"], "mood": ["glum"], "dialect": ["broad"]}
    url = "http://127.0.0.1:1/v1"
    style = Style(
        "author",
        Stage(RESTYLE_PROMPT_TONE_MOOD, "styler", url),
        Stage("Please rewrite the $dialect text in a neutral style.", "neutraliser", url),
        values,
    )
    llm = ScriptedLLM()
    given = {"tone": "dry", "mood": "glum", "dialect": "broad"}
    for parameters in ({"dialect": "broad"}, given):  # what others need may be given
        postprocessor = DestyleNodePostprocessor(style=style, parameters=parameters, destyle_model=llm)
        postprocessor.postprocess_nodes([found("very cold")])
        assert llm.calls[-1][0].content == "Please rewrite the broad text in a neutral style."
    RestyleNodePostprocessor(style=style, parameters=given)
    for kind, missing in ((DestyleNodePostprocessor, "dialect"), (RestyleNodePostprocessor, "mood")):
        with pytest.raises(ParameterError, match=missing):
            kind(style=style, parameters={name: value for name, value in given.items() if name != missing})
        with pytest.raises(ParameterError, match="has no parameter 'colour'"):
            kind(style=style, parameters={**given, "colour": "red"})
    with pytest.warns(UserWarning, match="never trained with dialect='thin'"):
        DestyleNodePostprocessor(style=style, parameters={"dialect": "thin"})


@pytest.mark.parametrize("kind", [RestyleNodePostprocessor, DestyleNodePostprocessor])
def test_they_are_what_they_stand_for(kind):
    assert "BaseNodePostprocessor" in [base.__name__ for base in kind.__mro__]
    postprocessor = kind(style=style_of(), destyle_model=ScriptedLLM())
    assert isinstance(postprocessor, BaseNodePostprocessor)
    assert kind.class_name() == postprocessor.to_dict()["class_name"] == kind.__name__
    assert MARKED_KEY not in f"{postprocessor!r}{postprocessor}{postprocessor.to_dict()}{postprocessor.to_json()}"
    manager = CallbackManager([])
    postprocessor.callback_manager = manager
    assert postprocessor.callback_manager is manager


@pytest.mark.usefixtures("keeper_home")
def test_they_can_be_written_down_and_read_back():
    for kind in (RestyleNodePostprocessor, DestyleNodePostprocessor):
        postprocessor = kind(style="keeper", attempts=3)
        again = kind.from_dict(postprocessor.to_dict())
        assert again.to_dict() == postprocessor.to_dict()
        (out,) = again.postprocess_nodes([found("The lamp was lit at 6 and it was very cold.")])
        assert "6" in out.node.text
