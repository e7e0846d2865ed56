from __future__ import annotations

import shutil
import time

import openai
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from restyle.serving.completions import pieces
from restyle.stage import Stage
from restyle.style import Style
from restyle.testing import Sandbox
from wire import chat, user

TEXT = "The gale blew.\n\n  Two ships, 12 men\tlost — “alas”. "


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    from restyle.embedded import PhraseModel

    home = tmp_path_factory.mktemp("home")
    plain = [f"I think the {thing} is very old." for thing in ("lamp", "boat", "house", "stove", "rope", "wall")]
    marked = [text.replace("I think", "I do reckon").replace("very", "uncommon") for text in plain]
    stages = [Stage(f"{name}.", f"{name}.json.gz", provider="embedded") for name in ("restyle", "destyle")]
    folder = Style("keeper", *stages).save(home).parent
    for name, sides in (("restyle", (plain, marked)), ("destyle", (marked, plain))):
        with pytest.warns(UserWarning, match="6 sentence pairs"):
            model = PhraseModel.fit(*sides)
        model.save(folder / f"{name}.json.gz")
    Style("remote", Stage("Restyle.", "some-lora", base_url="http://127.0.0.1:1/v1")).save(home)
    broken = home / "styles" / "broken" / "style.json"
    broken.parent.mkdir()
    broken.write_text("{", encoding="utf-8")
    return home


@pytest.fixture(scope="module")
def sandbox(home):
    def counts(messages):
        return f"heard {len(messages)}"

    def fails(_):
        raise LookupError("no such line")

    with Sandbox(home=home, replies={"fixed": TEXT, "counts": counts, "org/fails": fails}) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def client(sandbox):
    with openai.OpenAI(base_url=sandbox.base_url, api_key="unused", max_retries=0) as client:
        yield client


def test_models_are_the_base_the_replies_and_the_embedded_styles(client):
    names = {model.id: model for model in client.models.list()}
    assert set(names) == {
        "restyle-embedded",
        "echo",
        "fixed",
        "counts",
        "org/fails",
        "keeper:restyle",
        "keeper:destyle",
    }
    assert names["keeper:restyle"].object == "model"
    assert abs(names["keeper:restyle"].created - time.time()) < 600
    for name in ("keeper:destyle", "org/fails"):
        assert client.models.retrieve(name).id == name


def test_an_unknown_model_is_named_as_openai_names_it(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nope", messages=user("Hi."))
    assert caught.value.body == {
        "message": "The model `nope` does not exist or you do not have access to it.",
        "type": "invalid_request_error",
        "param": None,
        "code": "model_not_found",
    }
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nope")


def test_a_model_name_is_never_a_path(client, home, tmp_path):
    shutil.copytree(home / "styles" / "keeper", tmp_path / "keeper")
    for name in (f"{tmp_path}/keeper:restyle", "../styles/keeper:restyle", "remote:restyle", "keeper:evil", ":restyle"):
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model=name, messages=user("Hi."))


def test_a_whole_answer_has_openais_shape(client):
    answer = client.chat.completions.create(model="fixed", messages=user("Two words."))
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.object == "chat.completion"
    assert answer.model == "fixed"
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, len(TEXT.split()))
    assert answer.usage.total_tokens == 4 + len(TEXT.split())


def test_the_chunks_of_a_stream_add_up_to_the_whole_answer(client):
    chunks = list(
        client.chat.completions.create(
            model="fixed", messages=user("Hi."), stream=True, stream_options={"include_usage": True}
        )
    )
    *body, last = chunks
    assert body[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in body) == TEXT
    assert len(body) > len(TEXT.split())
    assert [chunk.choices[0].finish_reason for chunk in body] == [None] * (len(body) - 1) + ["stop"]
    assert all(chunk.usage is None for chunk in body)
    assert last.choices == []
    assert last.usage
    assert last.usage.completion_tokens == len(TEXT.split())
    assert len({chunk.id for chunk in chunks}) == 1


def test_no_usage_chunk_unless_it_is_asked_for(client):
    chunks = list(client.chat.completions.create(model="fixed", messages=user("Hi."), stream=True))
    assert all(len(chunk.choices) == 1 and chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_cuts_the_answer_and_says_length(sandbox, client, name, stream):
    answer = client.chat.completions.create(model="fixed", messages=user("Hi."), stream=stream, **{name: 3})
    choices = [chunk.choices[0] for chunk in answer] if stream else answer.choices
    text = "".join((choice.delta if stream else choice.message).content or "" for choice in choices)
    assert text == "The gale blew."
    assert choices[-1].finish_reason == "length"
    _, exact = chat(sandbox, model="fixed", messages=user("Hi."), **{name: len(TEXT.split())})
    assert exact["choices"][0]["finish_reason"] == "stop"
    assert exact["choices"][0]["message"]["content"] == TEXT


def test_the_embedded_styles_rewrite_and_the_base_copies(client):
    def say(model, text):
        return client.chat.completions.create(model=model, messages=user(text)).choices[0].message.content

    assert say("keeper:restyle", "I think the lamp is very old.") == "I do reckon the lamp is uncommon old."
    assert say("keeper:destyle", "I do reckon the boat is uncommon old.") == "I think the boat is very old."
    assert say("restyle-embedded", TEXT) == TEXT


def test_a_broken_card_is_reported_with_its_path(client):
    with pytest.raises(openai.InternalServerError, match=r"broken.style\.json: not JSON"):
        client.chat.completions.create(model="broken:restyle", messages=user("Hi."))


def test_a_scripted_reply_sees_the_messages_and_its_error_is_told(client):
    assert client.chat.completions.create(model="counts", messages=user("Hi.")).choices[0].message.content == "heard 2"
    with pytest.raises(openai.InternalServerError, match="org/fails: LookupError: no such line"):
        client.chat.completions.create(model="org/fails", messages=user("Hi."))


def test_content_may_be_text_parts_and_the_last_user_message_counts(sandbox):
    parts = [{"type": "text", "text": "One "}, {"type": "text", "text": "two."}]
    messages = [*user("first"), {"role": "assistant", "content": None}, {"role": "user", "content": parts}]
    messages.append({"role": "assistant", "content": "last"})
    status, answer = chat(sandbox, model="echo", messages=messages, temperature=0, an_unknown_field={"x": 1})
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == "One two."


@given(st.text())
def test_pieces_add_up_to_the_text(text):
    assert "".join(pieces(text)) == text
    assert sum(bool(piece.split()) for piece in pieces(text)) == len(text.split())


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=[]), max_size=60))
@example("half a pair \ud83d of surrogates")
def test_any_text_comes_back_as_it_went_even_lone_surrogates(sandbox, text):
    _, whole = chat(sandbox, model="echo", messages=[{"role": "user", "content": text}])
    assert whole["choices"][0]["message"]["content"] == text


async def test_the_async_client_works(sandbox):
    async with openai.AsyncOpenAI(base_url=sandbox.base_url, api_key="unused", max_retries=0) as client:
        answer = await client.chat.completions.create(model="echo", messages=user(TEXT))
        assert answer.choices[0].message.content == TEXT
        stream = await client.chat.completions.create(model="echo", messages=user(TEXT), stream=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == TEXT


async def test_langchains_chat_model_works(sandbox):
    chat_openai = pytest.importorskip("langchain_openai").ChatOpenAI
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

    with DefaultHttpxClient() as http_client:
        async with DefaultAsyncHttpxClient() as http_async_client:
            model = chat_openai(
                model="fixed",
                base_url=sandbox.base_url,
                api_key="unused",
                http_client=http_client,
                http_async_client=http_async_client,
                stream_usage=True,
            )
            assert model.invoke("Hi.").content == TEXT
            assert model.invoke("Hi.").usage_metadata["output_tokens"] == len(TEXT.split())
            chunks = list(model.stream("Hi."))
            assert "".join(chunk.content for chunk in chunks) == TEXT
            assert sum((chunk.usage_metadata or {}).get("output_tokens", 0) for chunk in chunks) == len(TEXT.split())
            assert (await model.ainvoke("Hi.")).content == TEXT
            assert "".join([chunk.content async for chunk in model.astream("Hi.")]) == TEXT
