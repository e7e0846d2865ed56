"""`RestyleWorkflow`: an agent, or a team of them, that answers in the author's words."""

from __future__ import annotations

from typing import Any, TypeAlias, Unpack, cast

from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
from llama_index.core.prompts.mixin import PromptDictType
from llama_index.core.workflow import Workflow
from llama_index.core.workflow.handler import WorkflowHandler  # type: ignore[attr-defined]  # it is there
from llama_index_instrumentation import get_dispatcher

from llama_index_restyle.handler import RestyleHandler
from llama_index_restyle.nesting import wrapping
from llama_index_restyle.options import RestyleOptions
from llama_index_restyle.relay import Relay
from llama_index_restyle.wrapper import Wrapper
from restyle.style import Style

__all__ = ["RestyleWorkflow"]

_Agent: TypeAlias = BaseWorkflowAgent | AgentWorkflow
_DISPATCHER = get_dispatcher(__name__)


class RestyleWorkflow(Wrapper[_Agent], Workflow):
    """Runs the agent inside, and gives its final answer in one author's style; see `RestylePostprocessor`.

    It is run as the agent is, and contexts of the agent are its contexts. Of the agent's events, those of the final
    message are held back until it is certain that it is the final one; then the rewritten answer streams in their
    place, as `AgentStream` events, block by block. While a `FunctionAgent` still speaks, the style's models work
    already. What else an agent says (before it calls a tool, or hands over to another agent), tools' results,
    structured responses and ``raw`` stay as they are. So does what a tool with ``return_direct`` returns, unless that
    is a text or a query engine's response.

    Memory keeps the agent's own words, which its model reads in the next turn, and `AgentInput` events show. What
    became of each block stands in the answer's ``response.additional_kwargs["restyle"]``.

    Args:
        agent: A `FunctionAgent`, `ReActAgent` or `AgentWorkflow`, or any workflow that gives an `AgentOutput`.
        style: The name of a style under ``RESTYLE_HOME``, or a card.
        **options: As for `RestylePostprocessor`.

    Example:
        ``await RestyleWorkflow(agent, style="keeper").run("Who lights the lamp?")``

    Raises:
        StyleNotFoundError, StyleNameError, CardError: The style cannot be used.
        ParameterError: A prompt parameter is unknown or missing.
        ChatModelError: A given LLM takes no messages.
        LossError: While running, where facts did not survive and ``on_loss="raise"``.
        ShapeError: While running, where the workflow gives no `AgentOutput`.
    """

    # The base class's constructor is passed by: this has no steps of its own.
    def __init__(self, agent: Workflow, *, style: str | Style, **options: Unpack[RestyleOptions]) -> None:
        self._wrap(cast("_Agent", agent), style, options)

    @_DISPATCHER.span
    def run(self, *args: Any, **kwargs: Any) -> WorkflowHandler:
        """Run the agent, with the agent's own arguments; to be called where a loop runs. Gives a `RestyleHandler`."""
        with wrapping(self) as outermost:
            work = self._postprocessor._work() if outermost else None  # first: its spans belong to this one
            handler = cast("Workflow", self._inner).run(*args, **kwargs)
        if work is None:
            return handler
        # Not one by inheritance: LlamaIndex's own is different in every version, and is made by runtimes only.
        relay = Relay(self._postprocessor, work, self._is_plain)
        return cast("WorkflowHandler", RestyleHandler(handler, relay))

    def _is_plain(self, name: str) -> bool:
        agents = getattr(self._inner, "agents", None)
        return isinstance(agents.get(name) if isinstance(agents, dict) else self._inner, FunctionAgent)

    def get_prompts(self) -> PromptDictType:
        """The agent's prompts."""
        return self._inner.get_prompts()

    def update_prompts(self, prompts_dict: PromptDictType) -> None:
        """Change the agent's prompts."""
        self._inner.update_prompts(prompts_dict)

    # A context is made for a workflow, and asks it for its steps and for what its constructor sets.

    def _get_steps(self) -> Any:
        return self._inner._get_steps()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and not name.startswith("__") and "_inner" in vars(self):
            return getattr(self._inner, name)
        raise AttributeError(
            f"a RestyleWorkflow has no {name!r}: ask the agent inside. If it is to be a member of an AgentWorkflow, "
            "wrap that instead, or make the member's class with RestyleAgentMixin"
        )
