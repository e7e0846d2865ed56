"""What agents answer, in other words."""

from __future__ import annotations

from llama_index.core.agent.workflow.workflow_events import AgentOutput
from llama_index.core.base.llms.types import ContentBlock, TextBlock

from llama_index_restyle.reports import Report

__all__ = ["with_text"]


def with_text(output: AgentOutput, text: str, report: Report) -> AgentOutput:
    """A new output with another text, and the report in its message's ``additional_kwargs["restyle"]``.

    The message may be in the agent's memory, too, and is not changed.
    """
    blocks: list[ContentBlock] = []
    for block in output.response.blocks:
        if not isinstance(block, TextBlock):
            blocks.append(block)
        elif not any(isinstance(each, TextBlock) for each in blocks):  # all text stands in the place of the first
            blocks.append(block.model_copy(update={"text": text}))
    told = {**output.response.additional_kwargs, **(report.metadata or {})}
    message = output.response.model_copy(update={"blocks": blocks, "additional_kwargs": told})
    return output.model_copy(update={"response": message, "tool_calls": [*output.tool_calls]})
