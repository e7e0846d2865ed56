"""`RestyleMiddleware`: an agent that answers in one author's words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Unpack

from langchain.agents.middleware.types import AgentMiddleware, AgentState, ContextT, ModelRequest, ModelResponse

from langchain_restyle.facade import RestyledChatModel
from langchain_restyle.runnable import Restyle, RestyleOptions
from restyle.style import Style, check_name

__all__ = ["RestyleMiddleware"]


class RestyleMiddleware(AgentMiddleware[AgentState[Any], ContextT]):
    """Has an agent's model answer in one author's style, whole or streaming, in every stream mode.

    What the model says when it calls tools, the tools' results and structured responses stay as they are. The messages
    of the agent's state, which the model reads in its next turn and a checkpointer keeps, hold the restyled text under
    the ids of the originals, which are kept nowhere.

    Put it last in the list of middleware: what stands before it sees the agent's own model, and may choose another;
    what stands behind it is given a `RestyledChatModel`, and undoes the style if it puts another model in its place.

    Example:
        ``agent = create_agent(model, tools, middleware=[RestyleMiddleware("keeper")])``

    Args:
        style: The name of a style under ``RESTYLE_HOME``, or a card.
        final_only: True holds back what the model says until it is certain that no tool is called, so that what it says
            before a call always stays as it is; the style's models work meanwhile. False lets text leave as early as it
            can: what stands before a call is restyled where it forms whole blocks before the call is seen. Without
            tools nothing is held back in any case.
        options: Those of `Restyle`.

    Raises:
        ValidationError: An option is unknown, or its value is of no use.
        StyleNotFoundError, StyleNameError, CardError: The style cannot be used.
        ParameterError: A prompt parameter is unknown or missing.
        TypeError: While running, where the agent's model is a `RestyledChatModel` already.
    """

    def __init__(self, style: str | Style, **options: Unpack[RestyleOptions]) -> None:
        super().__init__()
        self._style = Style.load(check_name(style)) if isinstance(style, str) else style
        self._options: RestyleOptions = {"final_only": True, **options}
        Restyle(
            self._style, **self._options
        )  # what cannot be used is refused here, not in the middle of a conversation

    def wrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], ModelResponse[Any]],
    ) -> ModelResponse[Any]:
        """Call the model, restyled."""
        return handler(self._restyled(request))

    async def awrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Call the model, restyled."""
        return await handler(self._restyled(request))

    def _restyled(self, request: ModelRequest[ContextT]) -> ModelRequest[ContextT]:
        if request.response_format is not None:
            return request
        options: RestyleOptions = {**self._options, "final_only": self._options["final_only"] and bool(request.tools)}
        return request.override(model=RestyledChatModel(request.model, self._style, **options))
