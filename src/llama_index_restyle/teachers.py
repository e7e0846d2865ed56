"""An LlamaIndex LLM that writes the neutral side of pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn, TypeAlias

from llama_index.core.base.llms.types import ChatResponse
from llama_index.core.llms.llm import LLM

from llama_index_restyle.identities import identity_of
from llama_index_restyle.models import check_chat_model, messages_of, parse_response
from restyle.data.teachers import NEUTRALISE, AlwaysOpen, Teacher
from restyle.messages import Answer, Ask

__all__ = ["LLMTeacher", "TeacherSpec"]

TeacherSpec: TypeAlias = str | Path | Teacher | LLM


class LLMTeacher(AlwaysOpen):
    """Any chat LLM as a teacher.

    Its own callbacks, rate limit and retries apply; what it raises is raised. It is not held to an ask's schema: there
    is no way to that which all LLMs have.

    Args:
        llm: Gets a system message with the instructions and a user message with the text alone.
        identity: What its answers are filed under in the ledger. None: worked out, see
            `llama_index_restyle.identities.identity_of`. Change it whenever the LLM's answers would change.

    Raises:
        ChatModelError: It is a completion LLM, which would flatten the messages.
        TeacherMissingError: There is no ``identity``, and none can be worked out.
    """

    def __init__(self, llm: LLM, *, identity: str | None = None) -> None:
        check_chat_model(llm)
        self.llm = llm
        self.identity = identity or identity_of(llm)
        self.system = NEUTRALISE

    async def answer(self, ask: Ask) -> Answer:
        """The neutral version, from the LLM."""
        return _parse(await self.llm.achat(messages_of(ask)))

    def answer_now(self, ask: Ask) -> Answer:
        """As `answer`, through the LLM's synchronous side."""
        return _parse(self.llm.chat(messages_of(ask)))

    def __getstate__(self) -> NoReturn:
        raise TypeError("an LLMTeacher is not pickled: its LLM may hold an API key. Make it where it is needed")


def _parse(response: ChatResponse) -> Answer:
    answer = parse_response(response)
    # JSON can hold half of a surrogate pair, which no ledger takes.
    return replace(answer, text=answer.text.encode(errors="replace").decode())
