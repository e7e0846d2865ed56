"""Chat models behind OpenAI-compatible endpoints: built on first use, and kept while their clients can serve."""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache
from typing import Any

from langchain_core.runnables import Runnable

from restyle.answering import client_options
from restyle.errors import CardError, MissingExtraError
from restyle.loop_clients import client_of_this_loop

__all__ = ["endpoint"]

_REASONING = re.compile(r"^o\d")  # langchain-openai's own rule, case included


def endpoint(model: str, base_url: str | None, request: dict[str, Any]) -> Runnable[Any, Any]:
    """The chat model of that name; the same one for the same arguments, as long as the environment's key stays.

    Args:
        model: Its name at the endpoint.
        base_url: The endpoint; None means OpenAI's.
        request: Options for the body of every request.

    Raises:
        CardError: langchain-openai would send the system prompt of a model of that name in another role.
        ModelError: OpenAI is meant and ``OPENAI_API_KEY`` is not set.
        MissingExtraError: ``langchain-openai`` is not installed.
    """
    if _REASONING.match(model):
        raise CardError(
            f"model {model!r} at {base_url or 'OpenAI'}: langchain-openai turns the role 'system' into 'developer' for "
            "names that begin with 'o' and a digit, and the prompt would no longer be the trained one: serve the model "
            "under another name, or give a chat model of your own as style_model or destyle_model"
        )
    options = tuple(client_options(base_url).items())
    key = os.environ.get("OPENAI_API_KEY") if base_url is None else None
    return _build(model, options, json.dumps(request, sort_keys=True), key, client_of_this_loop())


@lru_cache(maxsize=64)
def _build(
    model: str, options: tuple[tuple[str, Any], ...], request: str, _key: str | None, client: Any | None
) -> Runnable[Any, Any]:
    try:
        from langchain_restyle.endpoint_model import EndpointChatModel  # noqa: PLC0415 - a second that only endpoints pay
    except ImportError as error:
        raise MissingExtraError("langchain-openai", "langchain", f"the model {model!r} behind an endpoint") from error
    # Its request options go into the body as the card has them; the Responses API would rewrite the system role.
    return EndpointChatModel(
        model=model,
        use_responses_api=False,
        stream_usage=True,  # by itself it reports the usage of streams from OpenAI's own address only
        extra_body=json.loads(request) or None,
        http_async_client=client,
        **dict(options),
    )
