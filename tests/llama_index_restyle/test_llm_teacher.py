"""LLMs that write the neutral side: how they are asked, and what the ledger knows them by."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from threading import Barrier, current_thread
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, TextBlock
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.llms import MockLLM
from llama_index.core.schema import Document
from pydantic import Field, SecretStr

from llama import MARKED_KEY, ScriptedLLM, instrumented
from llama_index_restyle.embedded_llm import EmbeddedLLM
from llama_index_restyle.endpoint_llm import EndpointLLM
from llama_index_restyle.pairs import abuild_pairs, build_pairs
from llama_index_restyle.teachers import LLMTeacher
from pairing import build, contents, lines
from restyle.data.teachers import NEUTRALISE
from restyle.errors import ChatModelError, ModelError, TeacherMissingError
from restyle.messages import Answer, Ask
from restyle.style import Style
from restyle.testing import Fault, Sandbox
from support import plain_passage, styled_passage
from teaching import plain, settle


def documents(count=5):
    return [Document(text=styled_passage(number), id_=f"letter {number}") for number in range(count)]


def made(teacher, out, count=5, **options):
    return build_pairs(documents(count), style="author", teacher=teacher, out=out, **options)


def teacher(reply, **options):
    return LLMTeacher(ScriptedLLM(reply=reply, **options), identity="mine")


@pytest.fixture(scope="module")
def _luna():
    with Sandbox(replies={"luna*": lambda messages: plain(messages[-1]["content"])}) as sandbox:
        yield sandbox


@pytest.fixture
def luna(_luna):
    _luna.requests.clear()
    return _luna


def endpoint(sandbox, **options):
    return EndpointLLM(**{"model": "luna", "base_url": sandbox.base_url, "max_retries": 0} | options)


def identity(llm):
    return LLMTeacher(llm).identity


def test_an_llm_is_asked_with_the_instructions_and_the_text_alone(luna, tmp_path):
    text = f"{styled_passage(1)} He said {{it}} cost $all of <b>."
    llm = endpoint(luna, request={"temperature": 0.25}, system_prompt="You are {someone}.")
    pairs = build_pairs(Document(text=text), style="author", teacher=llm, out=tmp_path)
    (request,) = luna.requests
    assert request.body == {
        "model": "luna",
        "messages": [{"role": "system", "content": NEUTRALISE}, {"role": "user", "content": text}],
        "temperature": 0.25,
    }
    assert pairs.asked == 1


def test_what_it_answered_is_not_asked_again(luna, tmp_path):
    first = made(endpoint(luna), tmp_path / "pairs")
    assert (first.asked, first.reused, len(luna.requests)) == (5, 0, 5)
    assert first.manifest["pairs"] == {"train": 3, "valid": 1, "test": 1}
    files = contents(first.directory)
    second = made(endpoint(luna, timeout=7.0), tmp_path / "pairs")
    assert (second.asked, second.reused, len(luna.requests)) == (0, 5, 5)
    assert contents(second.directory) == files
    assert made(endpoint(luna, request={"temperature": 0.9}), tmp_path / "pairs").asked == 5


def test_no_key_reaches_the_pair_set(tmp_path):
    out = made(ScriptedLLM(reply=plain), tmp_path / "pairs").directory
    written = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert MARKED_KEY.encode() not in written
    assert b"llama_index:scripted:" in written


def test_one_llm_serves_many_runs(luna, tmp_path):
    llm = endpoint(luna)
    for number in range(3):
        assert made(llm, tmp_path / str(number), count=40).asked == 40
    assert len(luna.requests) == 120


SEEN: ContextVar[str] = ContextVar("SEEN", default="nothing")


class SyncOnly(ScriptedLLM):
    async def achat(self, *_, **__):
        raise AssertionError("a loop of ours")


class AsyncOnly(ScriptedLLM):
    loops: list[Any] = Field(default_factory=list, exclude=True)

    def chat(self, *_, **__):
        raise AssertionError("not in a task")

    async def achat(self, messages, **kwargs):
        self.loops.append(asyncio.get_running_loop())
        return await super().achat(messages, **kwargs)


async def test_sync_callers_get_threads_even_inside_a_loop(tmp_path):
    """A loop that lives for one call would break the async clients of real LLMs: the next loop fails on them."""
    seen = []

    def answer(text):
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        seen.append((SEEN.get(), current_thread().name.split("_")[0]))
        return plain(text)

    SEEN.set("the caller's context")
    assert made(LLMTeacher(SyncOnly(reply=answer), identity="mine"), tmp_path).asked == 5
    assert set(seen) == {("the caller's context", "restyle-teacher")}


async def test_in_tasks_it_is_awaited(tmp_path):
    llm = AsyncOnly(reply=plain)
    awaited = await abuild_pairs(documents(), style="author", teacher=llm, out=tmp_path / "a")
    assert awaited.asked == 5
    assert set(llm.loops) == {asyncio.get_running_loop()}
    whole = made(ScriptedLLM(reply=plain), tmp_path / "b")
    assert whole.rows("restyle", "train") == awaited.rows("restyle", "train")


@pytest.mark.parametrize("concurrency", [1, 3, 40])
def test_concurrency_is_what_was_asked_for(tmp_path, concurrency):
    full = Barrier(concurrency)  # nobody is answered until so many have asked

    def answer(text):
        full.wait(timeout=20)
        return plain(text)

    mine = teacher(answer)
    made(mine, tmp_path, count=2 * concurrency, max_concurrency=concurrency)
    assert mine.llm.peak == concurrency


def test_the_core_s_complaint_about_concurrency(tmp_path):
    with pytest.raises(ValueError, match="concurrency is 0"):
        made(teacher(plain), tmp_path, max_concurrency=0)


def test_its_callbacks_and_spans_are_those_of_the_caller(tmp_path):
    handler = LlamaDebugHandler(print_trace_on_end=False)
    llm = ScriptedLLM(reply=plain, callback_manager=CallbackManager([handler]))
    with instrumented() as (spans, events):

        @get_dispatcher().span
        def outer():
            return made(llm, tmp_path)

        outer()
    assert len(handler.get_llm_inputs_outputs()) == 5
    assert events.names().count("LLMChatEndEvent") == 5
    (name,) = [name for name, children in spans.tree().items() if "ScriptedLLM.chat" in children]
    assert name.endswith("outer")


def test_its_retries_are_used_and_what_it_answered_stays(luna, tmp_path):
    luna.inject(Fault("status", status=503))
    assert made(endpoint(luna, max_retries=1), tmp_path / "retried").manifest["dropped"] == {}
    assert len(luna.requests) == 6

    luna.requests.clear()
    for _ in range(3):
        luna.inject(Fault("slow", delay=0.0))
    luna.inject(Fault("status", status=401))
    with pytest.raises(ModelError):
        made(endpoint(luna), tmp_path / "pairs", max_concurrency=1)
    settle()
    sent = len(luna.requests)
    again = made(endpoint(luna), tmp_path / "pairs")
    assert (again.asked, again.reused, len(luna.requests)) == (2, 3, sent + 2)


def response(text=None, raw=None, **more):
    return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=text, additional_kwargs=more), raw=raw)


class Responding(ScriptedLLM):
    """Answers with a response as it is."""

    given: Any = Field(exclude=True)

    def chat(self, *_, **__):
        return self.given


@pytest.mark.parametrize(
    ("given", "dropped"),
    [
        (response("Cut of", {"choices": [{"finish_reason": "length"}]}), "fault"),
        (response(None, refusal="I cannot help with that."), "fault"),
        (response("", reasoning_content="Hm."), "fault"),
        (response(""), "fault"),
        (response(None), "fault"),  # of several kinds of blocks, none of them text: the content is None
        (response("Something else."), "facts"),
        (response(styled_passage(0)), "overlap"),
    ],
)
def test_answers_are_judged_as_the_core_judges_them(tmp_path, given, dropped):
    mine = LLMTeacher(Responding(given=given), identity="mine")
    assert made(mine, tmp_path, count=1).manifest["dropped"] == {dropped: 1}


def test_answers_may_be_blocks_or_half_characters(tmp_path):
    blocks = response()
    blocks.message.blocks = [TextBlock(text=plain_passage(0)[:20]), TextBlock(text=plain_passage(0)[20:])]
    (row,) = lines(
        made(LLMTeacher(Responding(given=blocks), identity="a"), tmp_path, count=1).directory / "pairs.jsonl"
    )
    assert row["neutral"] == plain_passage(0)
    half = teacher(lambda text: f"\ud83d {plain(text)}")
    (row,) = lines(made(half, tmp_path, count=1).directory / "pairs.jsonl")
    assert row["neutral"] == f"? {plain_passage(0)}"


class Ended(ScriptedLLM):
    def chat(self, *_, **__):
        raise StopIteration


def test_an_llm_at_its_end_does_not_hang(tmp_path):
    with pytest.raises(RuntimeError, match="no more answers"):
        made(Ended(), tmp_path)


def test_completion_llms_are_refused(tmp_path):
    for llm in (ScriptedLLM(chat_model=False), MockLLM()):
        with pytest.raises(ChatModelError, match="is_chat_model=False: it would flatten"):
            made(llm, tmp_path)
        with pytest.raises(ChatModelError):
            LLMTeacher(llm, identity="mine")
    assert not (tmp_path / "ledger.db").exists()


async def test_an_llm_teacher_is_a_teacher_of_the_core(tmp_path):
    mine = teacher(plain)
    assert await mine.answer(Ask("Plainly.", styled_passage(3), "destyle")) == Answer(plain_passage(3), "stop")
    assert mine.answer_now(Ask("Plainly.", styled_passage(4), "destyle")) == Answer(plain_passage(4), "stop")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/a.md").write_text(styled_passage(1), "utf-8")
    assert build(tmp_path / "letters", mine, tmp_path / "pairs").asked == 1


def test_teachers_of_the_core_are_teachers_here(letters, luna, tmp_path):
    options = {"style": "author", "out": tmp_path / "recorded"}
    assert build_pairs(documents(), teacher=letters[1], **options).manifest["pairs"]["train"] == 3
    options["out"] = tmp_path / "endpoint"
    assert build_pairs(documents(), teacher="luna", base_url=luna.base_url, **options).asked == 5
    for wrong, says in [(None, "somebody must write"), (42, "of type int, which is none"), ("luna", "neither")]:
        with pytest.raises(TeacherMissingError, match=says):
            build_pairs(documents(), teacher=wrong, **options)


class Hosted(ScriptedLLM):
    """With the fields that integrations have."""

    reply: Callable[[str], str] = plain
    model: str = "gpt-6-luna"
    temperature: float = 0.1
    api_base: str | None = None
    max_retries: int = 3
    timeout: float = 60.0
    reuse_client: bool = True
    default_headers: dict[str, str] | None = None
    api_secret: SecretStr | None = None
    azure_ad_token: str = ""
    aws_access_key_id: str = ""
    max_tokens: int | None = None
    eos_token: str = "</s>"
    stop: set[str] = Field(default_factory=set)
    additional_kwargs: dict[str, Any] = Field(default_factory=dict)
    cache: Path | None = None
    inner: Any = None


def test_identity_is_the_model_and_what_changes_its_answers():
    base = identity(Hosted())
    assert re.fullmatch(r"llama_index:gpt-6-luna:[0-9a-f]{16}", base)
    same = [
        Hosted(api_key="sk-b", api_secret=SecretStr("a"), azure_ad_token="b", aws_access_key_id="c"),
        Hosted(max_retries=7, timeout=3, reuse_client=False, default_headers={"x-token": "t"}),
        Hosted(callback_manager=CallbackManager([LlamaDebugHandler()]), max_tokens=None),
        Hosted(additional_kwargs={"extra_headers": {"authorization": "x"}, "timeout": 3, "api_key": "sk-c"}),
        Hosted(output_parser=None, messages_to_prompt=lambda _: ""),
    ]
    assert {identity(llm) for llm in same} == {base}
    other = [
        Hosted(temperature=0),
        Hosted(temperature=0.5),
        Hosted(model="gpt-6-sol"),
        Hosted(api_base="http://b/v1"),
        Hosted(max_tokens=5),
        Hosted(eos_token="<end>"),
        Hosted(stop={"x", "y"}),
        Hosted(additional_kwargs={"top_k": 3}),
        Hosted(additional_kwargs={"extra_body": {"reasoning": {"effort": "low"}}}),
        Hosted(reply=plain_passage),
        Hosted(system_prompt="Be brief."),
        Hosted(cache=Path("a")),
        Hosted(inner=Hosted()),
        Hosted(inner=Hosted(model="gpt-6-sol")),
        Hosted(inner=[1, (2, None)]),
        Hosted(inner=int),
        ScriptedLLM(reply=plain),
        EndpointLLM(model="gpt-6-luna"),
        EndpointLLM(model="gpt-6-luna", request={"temperature": 0}),
        EndpointLLM(model="gpt-6-luna", base_url="http://b/v1"),
    ]
    identities = [identity(llm) for llm in other]
    assert base not in identities
    assert len(set(identities)) == len(identities)
    kwargs = [{"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}]
    assert len({identity(Hosted(additional_kwargs=each)) for each in kwargs}) == 1


def test_identity_of_a_style_s_own_models(trained_keeper, tmp_path, monkeypatch):
    shutil.copytree(trained_keeper, tmp_path / "home")
    monkeypatch.setenv("RESTYLE_HOME", str(tmp_path / "home"))
    keeper = identity(EmbeddedLLM(style="keeper", role="destyle"))
    assert keeper.startswith("llama_index:keeper:destyle:")
    card = Style.load("keeper", trained_keeper)
    assert keeper == identity(EmbeddedLLM(style=card, role="destyle"))  # wherever it lies
    assert keeper != identity(EmbeddedLLM(style="keeper", role="destyle", strength=0.9))
    assert keeper != identity(EmbeddedLLM(style="keeper", role="restyle"))
    path = tmp_path / "home/styles/keeper/style.json"
    path.write_text(path.read_text("utf-8").replace(card.dataset, "0" * 64), "utf-8")  # trained again, on other pairs
    assert keeper != identity(EmbeddedLLM(style="keeper", role="destyle"))


def test_identity_is_the_same_in_every_process():
    request = {"b": [1], "a": {"q": 1, "p": 2}}
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from llama_index_restyle.endpoint_llm import EndpointLLM\n"
        "from llama_index_restyle.teachers import LLMTeacher\n"
        "from llama import ScriptedLLM\n"
        f"for llm in (EndpointLLM(model='m', request={request}), ScriptedLLM()):\n"
        "    print(LLMTeacher(llm).identity)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parents[1])],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == [identity(EndpointLLM(model="m", request=request)), identity(ScriptedLLM())]


class Nameless(ScriptedLLM):
    @property
    def metadata(self):
        return super().metadata.model_copy(update={"model_name": "unknown"})


@pytest.mark.parametrize(
    ("llm", "says"),
    [
        (ScriptedLLM(reply=lambda text: text), "its reply is of type function"),
        (Hosted(reply=partial(plain)), "its reply is of type partial"),
        (Hosted(inner=object()), "its inner is of type object"),
        (Hosted(additional_kwargs={"tools": [object()]}), r"its additional_kwargs.tools\[0\] is of type object"),
        (Nameless(), "Nameless names no model"),
    ],
)
def test_what_cannot_be_told_apart_has_to_be_given_a_name(tmp_path, llm, says):
    with pytest.raises(TeacherMissingError, match=rf"{says}.*LLMTeacher\(llm, identity='...'\)"):
        made(llm, tmp_path)
    assert not (tmp_path / "ledger.db").exists()
    assert LLMTeacher(llm, identity="mine-1").identity == "mine-1"


def test_an_llm_with_a_name_is_filed_under_it(tmp_path):
    asked = []

    def answer(text):
        asked.append(text)
        return plain(text)

    for name, total in [("mine-1", 5), ("mine-1", 5), ("mine-2", 10)]:
        pairs = made(LLMTeacher(ScriptedLLM(reply=answer), identity=name), tmp_path)
        assert len(asked) == total
        assert pairs.manifest["teachers"] == [name]
