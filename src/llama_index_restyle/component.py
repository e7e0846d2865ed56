"""What all components that rewrite have in common: a style, its models, and what is done about what can go wrong."""

from __future__ import annotations

from typing import Any, ClassVar

from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr, field_serializer
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.llm import LLM
from llama_index.core.schema import BaseComponent
from llama_index_instrumentation.span import active_span_id
from pydantic import InstanceOf

from llama_index_restyle.asking import Asking
from llama_index_restyle.models import chat_llm, check_chat_model
from llama_index_restyle.work import FlowFunction, Work
from restyle.flows import rewrite_block
from restyle.messages import Role
from restyle.policy import OnError, OnLoss, Policy
from restyle.style import Style, check_name

__all__ = ["StyleComponent"]


class StyleComponent(BaseComponent):
    """The base of the components that rewrite.

    Raises:
        StyleNotFoundError, StyleNameError, CardError: The style cannot be used.
        ParameterError: A prompt parameter is unknown or missing.
        ChatModelError: A given LLM takes no messages.
    """

    # A misspelt option must not pass unseen, nor be shown: it may be a key, or an LLM with one.
    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True)

    style: str | InstanceOf[Style]
    """The name of a style under ``RESTYLE_HOME``, or a card."""

    parameters: dict[str, str] = Field(default_factory=dict)
    """Values for the ``$parameters`` of the style's prompts."""

    style_model: str | InstanceOf[LLM] | None = Field(default=None, repr=False)
    """The style model, where it is not the card's: a chat LLM, or a model's name. Never ``Settings.llm``."""

    destyle_model: str | InstanceOf[LLM] | None = Field(default=None, repr=False)
    """The de-style model, where it is not the card's."""

    destyle: bool = True
    """False skips the de-style model, for text known to be neutral."""

    attempts: int = Field(default=2, ge=1)
    """How often a block is styled before its facts count as lost."""

    on_loss: OnLoss = "original"
    """What stands in for a block whose facts did not survive: ``original``, ``neutral``, ``keep`` or ``raise``.

    With ``keep`` the block at the head of a stream leaves token by token; it is not asked for again then. Not so where
    it has citation markers, which are put back at its end, or with ``on_error="original"``.
    """

    on_error: OnError = "raise"
    """Whether a model's exception is raised, or the ``original`` block passed on."""

    max_concurrency: int = Field(default=32, ge=1)
    """Model calls in flight."""

    callback_manager: CallbackManager = Field(default_factory=lambda: CallbackManager([]), exclude=True, repr=False)
    """What hears of the calls of the card's models; a given LLM keeps its own."""

    _loaded: tuple[str | Style, Style] = PrivateAttr()  # the style, and its card
    _flow: ClassVar[FlowFunction] = staticmethod(rewrite_block)
    _roles: ClassVar[tuple[Role, ...]] = ("destyle", "restyle")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Not in a validator: pydantic would wrap what the card raises, and users could not catch it by its name.
        self._loaded = self.style, self._checked_card()
        for model in (self.style_model, self.destyle_model):
            if isinstance(model, LLM):
                check_chat_model(model)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled.

        Raises:
            TypeError: An LLM was given, and may hold a key.
        """
        if isinstance(self.style_model, LLM) or isinstance(self.destyle_model, LLM):
            raise TypeError(
                f"this {type(self).__name__} holds an LLM, whose key would be written with it: give the model's name, "
                "or make the component where it is needed"
            )
        return super().__getstate__()

    @field_serializer("style")
    def _style_name(self, style: str | Style) -> str:
        return style.name if isinstance(style, Style) else style

    @field_serializer("style_model", "destyle_model")
    def _model_name(self, model: str | LLM | None) -> Any:
        # A given LLM cannot be read back; that fails then, where leaving it out would take the card's model instead.
        return {"class_name": model.class_name()} if isinstance(model, LLM) else model

    def _card(self) -> Style:
        if self._loaded[0] is not self.style:  # a copy, or another style was set
            self._loaded = self.style, self._checked_card()
        return self._loaded[1]

    def _checked_card(self) -> Style:
        card = Style.load(check_name(self.style)) if isinstance(self.style, str) else self.style
        self._check(card)
        return card

    def _check(self, card: Style) -> None:
        """Refuse a card that does not go together with the options."""
        card.check_parameters(self.parameters, destyle=self.destyle)
        if self.destyle and self.destyle_model is not None:
            card.stage("destyle")  # without its prompt the model could not be asked

    def _work(self) -> Work:
        """What a call goes by; its blocks' spans belong to the span that is active now."""
        card = self._card()
        policy = Policy(
            self.parameters,
            destyle=self.destyle,
            attempts=self.attempts,
            on_loss=self.on_loss,
            on_error=self.on_error,
        )
        manager = self.callback_manager
        models = {"restyle": self.style_model, "destyle": self.destyle_model}
        roles = self._roles if self.destyle and card.destyle is not None else ("restyle",)
        llms = {role: chat_llm(card, role, models[role], callback_manager=manager) for role in roles}
        return Work(card, policy, type(self)._flow, Asking(llms, active_span_id.get()), self.max_concurrency)
