"""A LangChain chat model that writes the neutral side of pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from langchain_core.runnables import Runnable, RunnableConfig

from langchain_restyle.identities import identity_of
from langchain_restyle.models import messages_of, parse_message
from restyle.data.teachers import NEUTRALISE, AlwaysOpen, Teacher
from restyle.messages import Answer, Ask

__all__ = ["ChatTeacher", "TeacherSpec"]

TeacherSpec: TypeAlias = str | Path | Teacher | Runnable[Any, Any]

_CONFIG = RunnableConfig(run_name="restyle:teacher", tags=["restyle:teacher"])


class ChatTeacher(AlwaysOpen):
    """Any chat model, or runnable over messages, as a teacher.

    Its own callbacks, cache, rate limit and retries apply; what it raises is raised. Runs are named
    ``restyle:teacher``. It is not held to an ask's schema: there is no way to that which all chat models have.

    Args:
        model: Gets a system message with the instructions and a human message with the text alone.
        identity: What its answers are filed under in the ledger. None: worked out, see
            `langchain_restyle.identities.identity_of`. Change it whenever the model's answers would change.

    Raises:
        TeacherMissingError: There is no ``identity``, and none can be worked out.
    """

    def __init__(self, model: Runnable[Any, Any], *, identity: str | None = None) -> None:
        self.model = model
        self.identity = identity or identity_of(model)
        self.system = NEUTRALISE

    async def answer(self, ask: Ask) -> Answer:
        """The neutral version, from the model."""
        return _parse(await self.model.ainvoke(messages_of(ask), _CONFIG))

    def answer_now(self, ask: Ask) -> Answer:
        """As `answer`, through the model's synchronous side."""
        return _parse(self.model.invoke(messages_of(ask), _CONFIG))


def _parse(output: Any) -> Answer:
    answer = parse_message(output)
    # JSON can hold half of a surrogate pair, which no ledger takes.
    return replace(answer, text=answer.text.encode(errors="replace").decode())
