"""`ChatOpenAI` as the models of a style need it.

``invoke`` and ``ainvoke`` answer in one piece even where a streaming handler is attached, while ``stream`` and
``astream`` stream. And ``ainvoke`` takes a short way, at a fifth of the CPU (``benchmarks/langchain_load.py``): one
POST of aiohttp's, without the SDK's walk through the types of request and answer, and without the record of a run that
no callback and no tracer listens to. Whatever comes of that POST but an answer is handed to the SDK as its own first
response: what is asked again, how soon, and what an error is called stay the SDK's affair.

Imported only where an endpoint is asked: langchain-openai takes a second.
"""

from __future__ import annotations

import json
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManager, AsyncCallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_openai import ChatOpenAI

from restyle.endpoint_client import EndpointClient, Response, first_response

__all__ = ["EndpointChatModel"]

_OK = 200


class EndpointChatModel(ChatOpenAI):
    """A model behind an endpoint; see the module."""

    @classmethod
    def lc_id(cls) -> list[str]:
        """The plain model's: what was dumped can be loaded as such."""
        return ChatOpenAI.lc_id()

    def invoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Answer, in one piece."""
        return super().invoke(input, config, stop=stop, **{"stream": False, **kwargs})

    async def ainvoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Answer, in one piece."""
        callbacks = ensure_config(config).get("callbacks")
        if kwargs or AsyncCallbackManager.configure(callbacks, self.callbacks, self.verbose).handlers:
            return await super().ainvoke(input, config, stop=stop, **{"stream": False, **kwargs})
        # Nobody listens. The cache, the rate limit and the metadata of the answer are in what follows.
        messages = self._convert_input(input).to_messages()
        result = await self._agenerate_with_cache(messages, stop, stream=False)
        return cast("AIMessage", result.generations[0].message)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        sdk, client = self.root_async_client, self.http_async_client
        plain = not kwargs.keys() - {"stream"}  # no tools, no schema, no options for the transport
        if not (plain and isinstance(client, EndpointClient) and client.direct):
            return await super()._agenerate(messages, stop, run_manager, **kwargs)
        headers = {**sdk.default_headers, **sdk.auth_headers}
        headers = {key: value for key, value in headers.items() if isinstance(value, str)}  # others are omitted
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        payload |= payload.pop("extra_body", None) or {}
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        first = await client.post_directly(f"{sdk.base_url}chat/completions", headers, body)
        if isinstance(first, Response) and (answer := _completion(first)) is not None:
            result = self._create_chat_result(answer)
            for generation, choice in zip(result.generations, answer["choices"], strict=True):
                generation.message.additional_kwargs["refusal"] = choice["message"].get("refusal")
            return result
        first_response.set(first)
        try:
            return await super()._agenerate(messages, stop, run_manager, **kwargs)
        finally:
            first_response.set(None)


def _completion(response: Response) -> dict[str, Any] | None:
    """The response as JSON, if it is what was asked for."""
    if response.status != _OK:
        return None
    try:
        answer = json.loads(response.body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) and answer.get("choices") else None
