"""Chat models that write the neutral side: how they are asked, and what the ledger knows them by."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from threading import Barrier

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import UsageMetadataCallbackHandler, get_usage_metadata_callback
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField, RunnableLambda, RunnablePassthrough
from langchain_openai import ChatOpenAI
from openai import AuthenticationError

from langchain_restyle import EmbeddedChatModel
from langchain_restyle.pairs import abuild_pairs, build_pairs
from langchain_restyle.teachers import ChatTeacher
from pairing import build, contents, lines
from restyle.data.teachers import NEUTRALISE
from restyle.errors import TeacherMissingError
from restyle.messages import Answer, Ask
from restyle.testing import Fault, Sandbox
from scripted import Runs, Scripted
from support import plain_passage, styled_passage
from teaching import plain, settle


def documents(count=5):
    return [Document(styled_passage(number), metadata={"source": f"letter {number}"}) for number in range(count)]


def made(teacher, out, count=5, **options):
    return build_pairs(documents(count), style="author", teacher=teacher, out=out, **options)


@pytest.fixture(scope="module")
def _luna():
    with Sandbox(replies={"luna*": lambda messages: plain(messages[-1]["content"])}) as sandbox:
        yield sandbox


@pytest.fixture
def luna(_luna):
    _luna.requests.clear()
    return _luna


def openai(sandbox, **options):
    options = {"model": "luna", "base_url": sandbox.base_url, "api_key": "sk-secret", "max_retries": 0} | options
    return ChatOpenAI(**options)


def identity(model):
    return ChatTeacher(model).identity


def test_a_chat_model_is_asked_with_the_instructions_and_the_text_alone(luna, tmp_path):
    text = f"{styled_passage(1)} He said {{it}} cost $all of <b>."
    made_ = build_pairs([Document(text)], style="author", teacher=openai(luna, temperature=0.25), out=tmp_path)
    (request,) = luna.requests
    assert request.body["messages"] == [
        {"role": "system", "content": NEUTRALISE},
        {"role": "user", "content": text},
    ]
    assert request.body["temperature"] == 0.25
    assert made_.asked == 1


def test_what_it_answered_is_not_asked_again(luna, tmp_path):
    first = made(openai(luna), tmp_path / "pairs")
    assert (first.asked, first.reused, len(luna.requests)) == (5, 0, 5)
    assert first.manifest["pairs"] == {"train": 3, "valid": 1, "test": 1}
    files = contents(first.directory)
    second = made(openai(luna), tmp_path / "pairs")
    assert (second.asked, second.reused, len(luna.requests)) == (0, 5, 5)
    assert contents(second.directory) == files
    third = made(openai(luna, temperature=0.9), tmp_path / "pairs")
    assert (third.asked, third.reused, len(luna.requests)) == (5, 0, 10)


def test_no_key_reaches_the_pair_set(luna, tmp_path):
    teacher = openai(luna, default_headers={"x-token": "tok-hush"}, extra_body={"nested": "sk-nested"})
    out = made(teacher, tmp_path / "pairs").directory
    written = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    for secret in (b"sk-secret", b"tok-hush", b"sk-nested"):
        assert secret not in written
    assert luna.requests[0].headers["authorization"] == "Bearer sk-secret"


def test_one_client_serves_many_runs(luna, tmp_path):
    """An event loop of ours would leave its connections in the client that all of langchain-openai shares."""
    teacher = openai(luna)
    for number in range(3):
        assert made(teacher, tmp_path / str(number), count=40).asked == 40
    assert len(luna.requests) == 120


async def test_in_tasks_it_is_awaited(tmp_path):
    async def answer(messages):
        return plain(messages[-1].content)

    teacher = ChatTeacher(RunnableLambda(answer), identity="mine")  # has no other side
    awaited = await abuild_pairs(documents(), style="author", teacher=teacher, out=tmp_path / "a")
    assert awaited.asked == 5
    scripted = await abuild_pairs(documents(), style="author", teacher=Scripted(reply=plain), out=tmp_path / "b")
    assert scripted.rows("restyle", "train") == awaited.rows("restyle", "train")
    with pytest.raises(TypeError, match="ainvoke"):
        made(teacher, tmp_path / "c")


@pytest.mark.parametrize("concurrency", [1, 3, 40])
def test_concurrency_is_what_was_asked_for(tmp_path, concurrency):
    full = Barrier(concurrency)  # nobody is answered until so many have asked

    def answer(text):
        full.wait(timeout=20)
        return plain(text)

    teacher = Scripted(reply=answer)
    made(teacher, tmp_path, count=2 * concurrency, max_concurrency=concurrency)
    assert teacher.peak == concurrency


def test_the_core_s_complaint_about_concurrency(tmp_path):
    with pytest.raises(ValueError, match="concurrency is 0"):
        made(Scripted(reply=plain), tmp_path, max_concurrency=0)


def test_callbacks_of_the_model_see_its_runs(tmp_path):
    runs = Runs()
    made(Scripted(reply=plain, callbacks=[runs], tags=["own"]), tmp_path / "pairs")
    assert len(runs.named("restyle:teacher")) == 5
    for run in runs.all.values():
        assert run.ended == "end"
        assert set(run.tags) == {"restyle:teacher", "own"}
    bound = Runs()
    made(Scripted(reply=plain).with_config(callbacks=[bound]), tmp_path / "other")
    assert len(bound.named("restyle:teacher")) == 5


async def test_usage_can_be_counted_around_a_call(luna, tmp_path):
    def total(usage: UsageMetadataCallbackHandler) -> int:
        return usage.usage_metadata["luna"]["output_tokens"]

    with get_usage_metadata_callback() as usage:
        made(openai(luna), tmp_path / "sync")  # inside a running loop, as in a notebook
    words = sum(len(plain_passage(number).split()) for number in range(5))
    assert total(usage) == words


def test_the_cache_of_the_model_is_used(tmp_path):
    teacher = Scripted(reply=plain, cache=InMemoryCache())
    for number in range(2):
        assert made(teacher, tmp_path / str(number)).asked == 5
    assert len(teacher.calls) == 5


def test_its_retries_are_used_and_what_it_answered_stays(luna, tmp_path):
    luna.inject(Fault("status", status=503))
    patient = openai(luna).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    assert made(patient, tmp_path / "retried").manifest["dropped"] == {}
    assert len(luna.requests) == 6

    luna.requests.clear()
    for _ in range(3):
        luna.inject(Fault("slow", delay=0.0))
    luna.inject(Fault("status", status=401))
    with pytest.raises(AuthenticationError):
        made(openai(luna), tmp_path / "pairs", max_concurrency=1)
    settle()
    sent = len(luna.requests)
    again = made(openai(luna), tmp_path / "pairs")
    assert (again.asked, again.reused, len(luna.requests)) == (2, 3, sent + 2)


@pytest.mark.parametrize(
    ("reply", "dropped"),
    [
        (AIMessage("Cut of", response_metadata={"finish_reason": "length"}), "fault"),
        (AIMessage("", additional_kwargs={"refusal": "I cannot help with that."}), "fault"),
        (AIMessage("", additional_kwargs={"reasoning_content": "Hm."}), "fault"),
        (AIMessage(""), "fault"),
        (AIMessage("Something else."), "facts"),
        (AIMessage(styled_passage(0)), "overlap"),
    ],
)
def test_answers_are_judged_as_the_core_judges_them(tmp_path, reply, dropped):
    assert made(Scripted(reply=lambda _: reply), tmp_path, count=1).manifest["dropped"] == {dropped: 1}


def test_answers_may_be_parts_strings_or_half_characters(tmp_path):
    parts = [{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": plain_passage(0)}]
    teachers = {
        "parts": Scripted(reply=lambda _: AIMessage(parts)),
        "string": Scripted(reply=plain) | StrOutputParser(),
        "half": Scripted(reply=lambda text: f"\ud83d {plain(text)}"),
    }
    for name, teacher in teachers.items():
        (row,) = lines(made(teacher, tmp_path / name, count=1).directory / "pairs.jsonl")
        assert row["neutral"] == ("? " if name == "half" else "") + plain_passage(0)


def test_what_is_no_answer(tmp_path):
    teacher = ChatTeacher(RunnableLambda(lambda _: {"text": "Plain."}), identity="mine")
    with pytest.raises(TypeError, match="message or a string, not dict"):
        made(teacher, tmp_path)


@pytest.mark.parametrize("broken", [GenericFakeChatModel(messages=iter([]))])
def test_a_model_at_its_end_does_not_hang(tmp_path, broken):
    with pytest.raises(RuntimeError):
        made(broken, tmp_path)


async def test_a_chat_teacher_is_a_teacher_of_the_core(tmp_path):
    teacher = ChatTeacher(Scripted(reply=plain))
    assert (await teacher.answer(Ask("Plainly.", styled_passage(3), "destyle"))) == Answer(plain_passage(3))
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "a.md").write_text(styled_passage(1), "utf-8")
    assert build(folder, teacher, tmp_path / "pairs").asked == 1


def test_teachers_of_the_core_are_teachers_here(letters, luna, tmp_path):
    texts = [Document(styled_passage(number), metadata={"source": str(number)}) for number in range(5)]
    options = {"style": "author", "out": tmp_path / "recorded"}
    assert build_pairs(texts, teacher=letters[1], **options).manifest["pairs"]["train"] == 3
    options["out"] = tmp_path / "endpoint"
    assert build_pairs(texts, teacher="luna", base_url=luna.base_url, **options).asked == 5
    for wrong, says in [(None, "somebody must write"), (42, "of type int, which is none"), ("luna", "neither")]:
        with pytest.raises(TeacherMissingError, match=says):
            build_pairs(texts, teacher=wrong, **options)


def test_identity_is_the_model_and_what_changes_its_answers(monkeypatch):
    def chat(**options):
        return ChatOpenAI(**({"model": "gpt-6-luna", "api_key": "sk-a", "base_url": "http://a/v1"} | options))

    base = identity(chat())
    assert re.fullmatch(r"langchain:gpt-6-luna:[0-9a-f]{16}", base)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    same = [
        chat(),
        chat(api_key="sk-b"),
        chat(api_key=lambda: "sk-c"),
        ChatOpenAI(model="gpt-6-luna", base_url="http://a/v1"),
        chat(max_retries=7, timeout=3, default_headers={"x-token": "t"}, tags=["a"], metadata={"b": "c"}),
        chat(callbacks=[Runs()], cache=InMemoryCache(), rate_limiter=InMemoryRateLimiter(), verbose=True),
        chat().with_retry(stop_after_attempt=7),
        chat().with_config(tags=["a"], run_name="b", callbacks=[Runs()]),
        chat().bind(),
        chat().bind(timeout=3, extra_headers={"x-token": "t"}),
    ]
    assert {identity(model) for model in same} == {base}
    configurable = chat().configurable_fields(temperature=ConfigurableField(id="t"))
    other = [
        chat(temperature=0),
        chat(temperature=0.5),
        chat().bind(temperature=0),
        chat().bind(temperature=0.5),
        chat().bind(stop=["x"]),
        chat(model="gpt-6-sol"),
        chat(base_url="http://b/v1"),
        chat(extra_body={"top_k": 3}),
        chat(reasoning_effort="low"),
        chat().with_fallbacks([chat(model="gpt-6-sol")]),
        chat() | StrOutputParser(),
        ChatPromptTemplate.from_messages([("placeholder", "{messages}")]) | chat(),
        configurable,
        configurable.with_config(configurable={"t": 0}),
        configurable.with_config(configurable={"t": 1}),
        *((configurable | StrOutputParser()).with_config(configurable={"t": value}) for value in (0, 1)),
    ]
    identities = [identity(model) for model in other]
    assert base not in identities
    assert len(set(identities)) == len(identities)
    assert identity(chat(extra_body={"a": 1, "b": 2})) == identity(chat(extra_body={"b": 2, "a": 1}))
    assert identity(chat().bind(temperature=0).with_retry()) == identity(chat().bind(temperature=0))


@pytest.mark.usefixtures("keeper_home")
def test_identity_of_models_that_do_not_serialise():
    assert identity(Scripted()) == identity(Scripted(calls=["earlier"])) != identity(FakeListLLM(responses=["a"]))
    assert identity(Scripted().with_retry()) == identity(Scripted()) != identity(Scripted().bind(stop=["x"]))
    assert identity(FakeListChatModel(responses=["a"])) != identity(FakeListChatModel(responses=["b"]))
    keeper = EmbeddedChatModel(style="keeper", role="destyle")
    assert identity(keeper).startswith("langchain:keeper:destyle:")
    assert identity(keeper) != identity(EmbeddedChatModel(style="keeper", role="destyle", strength=0.9))


def test_identity_is_the_same_in_every_process():
    program = (
        "from langchain_openai import ChatOpenAI\n"
        "from langchain_core.language_models import FakeListChatModel\n"
        "from langchain_restyle.teachers import ChatTeacher\n"
        "chat = ChatOpenAI(model='m', api_key=lambda: 'k', extra_body={'b': object(), 'a': 1}, stop=['x'])\n"
        "for model in (chat, chat.bind(z=lambda: 0, response_format={'a': {'q': 1, 'p': 2}}),\n"
        "              FakeListChatModel(responses=['a'])):\n"
        "    print(ChatTeacher(model).identity)\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    (output,) = outputs
    assert len(set(output.split())) == 3


@pytest.mark.parametrize(
    "runnable",
    [
        RunnableLambda(lambda messages: messages[-1].content),
        Scripted() | RunnableLambda(str),
        RunnableLambda(str).with_retry(),
        Scripted().with_fallbacks([RunnableLambda(str)]),
        RunnablePassthrough() | Scripted() | {"text": RunnableLambda(str)},
        Scripted().configurable_fields(delay=ConfigurableField(id="delay")),
    ],
)
def test_code_has_to_be_given_a_name(tmp_path, runnable):
    with pytest.raises(TeacherMissingError, match=r"the ledger cannot tell its code.*ChatTeacher\(model, identity="):
        made(runnable, tmp_path)
    assert not (tmp_path / "ledger.db").exists()
    assert ChatTeacher(runnable, identity="mine-1").identity == "mine-1"


def test_code_with_a_name_is_filed_under_it(tmp_path):
    asked = []

    def answer(messages):
        asked.append(messages)
        return plain(messages[-1].content)

    for name, total in [("mine-1", 5), ("mine-1", 5), ("mine-2", 10)]:
        pairs = made(ChatTeacher(RunnableLambda(answer), identity=name), tmp_path)
        assert len(asked) == total
        assert pairs.manifest["teachers"] == [name]
    assert min(asked, key=str) == [SystemMessage(NEUTRALISE), HumanMessage(styled_passage(0))]
