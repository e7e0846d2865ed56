"""`RestyleAgentMixin`: agents of one's own class that answer in the author's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.agent.workflow.workflow_events import AgentOutput
from llama_index.core.memory import BaseMemory
from llama_index.core.workflow import Context

from llama_index_restyle.agent_outputs import with_text
from llama_index_restyle.nesting import wrapping
from llama_index_restyle.options import RestyleOptions
from llama_index_restyle.postprocessor import RestylePostprocessor
from llama_index_restyle.reports import Report
from restyle.style import Style

if TYPE_CHECKING:
    from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
else:
    BaseWorkflowAgent = object  # the agent's class comes behind the mixin, and its metaclass with it

__all__ = ["RestyleAgentMixin"]


class RestyleAgentMixin(BaseWorkflowAgent):
    """Rewrites what an agent answers in one author's style; to stand before the agent's class.

    For members of an `AgentWorkflow` above all: each may have its own style. Only an answer that ends the run is
    rewritten: not what an agent says before it hands over to another, nor what a tool with ``return_direct`` returns,
    nor an answer that ``early_stopping_method="generate"`` asks for. Memory keeps the agent's own words.

    The events that stream before the run's result are the agent's own, too: to stream the rewritten answer, wrap the
    agent with `RestyleWorkflow`. What became of each block stands in ``response.additional_kwargs["restyle"]``.

    Args:
        *args: The agent's.
        style: The name of a style under ``RESTYLE_HOME``, or a card.
        restyle_options: As for `RestylePostprocessor`.
        **kwargs: The agent's.

    Example:
        ``class Keeper(RestyleAgentMixin, FunctionAgent): ...``, then ``Keeper(tools=[...], llm=llm, style="keeper")``

    Raises:
        StyleNotFoundError, StyleNameError, CardError: The style cannot be used.
        ParameterError: A prompt parameter is unknown or missing.
        ChatModelError: A given LLM takes no messages.
        LossError: While running, where facts did not survive and ``on_loss="raise"``. Core 0.13 makes a
            ``WorkflowRuntimeError`` of it, as of whatever its agents raise.
    """

    def __init__(
        self, *args: Any, style: str | Style, restyle_options: RestyleOptions | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        # No field: an agent's fields are shown and dumped with all that is in them.
        self._restyling = RestylePostprocessor(style, **(restyle_options or {}))

    async def finalize(self, ctx: Context, output: AgentOutput, memory: BaseMemory) -> AgentOutput:
        """The agent's last act: its memory is written, then its answer is rewritten."""
        with wrapping(self) as outermost:
            output = await super().finalize(ctx, output, memory)  # type: ignore[safe-super]  # the agent's class has it
        text = output.response.content
        if not outermost or output.tool_calls or not text or not text.strip():
            return output
        (rewrite,) = await self._restyling._work().atexts([text])
        report = Report({}, included=self._restyling.include_report, neutral=self._restyling.include_neutral)
        for result in rewrite.blocks:
            report.hear(result)
        return with_text(output, rewrite.text, report)
