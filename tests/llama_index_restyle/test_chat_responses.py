"""Chat engines' responses of every kind in, such responses out."""

from __future__ import annotations

import pytest
from llama_index.core import Settings
from llama_index.core.base.response.schema import AsyncStreamingResponse, PydanticResponse, Response, StreamingResponse
from llama_index.core.chat_engine.types import AgentChatResponse, BaseChatEngine
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import ToolOutput

from llama import nodes
from llama_chats import WAYS, chatting, talk, wrapped
from scripted import paragraphs, uncommon

TEXT = paragraphs(2)
STYLED = uncommon(TEXT)


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    monkeypatch.setattr(Settings, "_llm", None)


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


class Telling(BaseChatEngine):
    """Gives the response it was made with."""

    def __init__(self, response):
        self.response = response

    def chat(self, *_):
        return self.response

    stream_chat = chat

    async def achat(self, *_):
        return self.response

    astream_chat = achat

    def reset(self):
        pass

    @property
    def chat_history(self):
        return []


def response_of(kind, *texts):
    found = nodes(*texts)
    if kind is PydanticResponse:
        return PydanticResponse(ChatMessage(content="of a pydantic kind"), found)
    return kind("whole", found) if kind is Response else kind(iter(()), found)


@pytest.mark.parametrize("method", ["chat", "achat"])
async def test_sources_that_llama_index_drops_come_back_in_order(method):
    kinds = [Response, AsyncStreamingResponse, StreamingResponse, PydanticResponse]
    sources = [
        ToolOutput(content="", tool_name=kind.__name__, raw_input={}, raw_output=response_of(kind, kind.__name__))
        for kind in kinds
    ]
    sources.insert(1, ToolOutput(content="7", tool_name="sum", raw_input={}, raw_output=7))
    given = AgentChatResponse(TEXT, sources, metadata={"page": 1})
    assert len(given.source_nodes) == 2
    _, response = await talk(wrapped(Telling(given)), method)
    assert [node.text for node in response.source_nodes] == [kind.__name__ for kind in kinds]
    assert response.sources == sources
    assert response.metadata["page"] == 1
    assert (given.response, len(given.source_nodes), given.metadata) == (TEXT, 2, {"page": 1})  # not changed
    own = AgentChatResponse(TEXT, sources, nodes("mine"))
    _, response = await talk(wrapped(Telling(own)), method)
    assert [node.text for node in response.source_nodes] == ["mine"]


async def test_a_whole_answer_that_passes_for_a_stream_goes_on_doing_so(way):
    given = AgentChatResponse("It was very cold.", is_dummy_stream=True)
    engine = wrapped(Telling(given))
    response = await getattr(engine, way)("Well?") if way.startswith("a") else getattr(engine, way)("Well?")
    assert response.response == "It was uncommon cold."
    assert "".join(response.response_gen).strip() == "It was uncommon cold."


@pytest.mark.parametrize("way", ["achat", "astream_chat"])
async def test_a_task_may_get_a_stream_that_is_read_without_await(way):
    inner, _ = chatting("simple", TEXT)
    response = await getattr(wrapped(Telling(inner.stream_chat("Well?"))), way)("Well?")
    assert "".join(response.response_gen) == STYLED
    with pytest.raises(TypeError, match="without await"):
        await anext(response.async_response_gen())
