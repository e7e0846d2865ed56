"""The Ray engine's parts, all in this process: `test_ray_cluster` puts them together."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from restyle.data import ray_actor, ray_engine
from restyle.data.asking import Asking
from restyle.data.filters import Drop
from restyle.data.ledger import Ledger
from restyle.data.options import PairOptions
from restyle.data.prices import Meter, Price
from restyle.data.ray_actor import BATCH, JOB, OUTCOME, Crew, Job, Outcome, TeacherActor
from restyle.data.ray_engine import absorb_shards, ask_on_ray
from restyle.data.staging import AuthorBlock
from restyle.errors import LedgerError, MissingExtraError, ModelError, PairsError
from restyle.messages import Answer, Ask
from restyle.testing import Fault, Sandbox
from support import plain_passage, styled_passage
from teaching import plain

ASK = Ask("system", "text", "destyle")
OPTIONS = PairOptions(style="author", teacher="luna", base_url="http://127.0.0.1:1/v1", out="pairs")


def crew(tmp_path, teacher, **options):
    prices = [None] * (len(teacher) if isinstance(teacher, list) else 1)
    return Crew.of({**OPTIONS, "teacher": teacher, "out": tmp_path, **options}, {}, prices)


def batch(*jobs):
    return {"job": [JOB.dump_json(job).decode() for job in jobs]}


def job(number, known=None):
    return Job(number, AuthorBlock("letter", 0, 9, styled_passage(number)), known or {})


def shard(ledger, name="actor"):
    return Ledger(ledger.path.parent / "shards" / f"{name}.db")


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
async def begin(monkeypatch):
    """Actors in this process, with the same shard."""
    monkeypatch.setattr(ray_actor, "_actor_id", lambda: "actor")
    async with AsyncExitStack() as stack:

        def begun(crew):
            actor = TeacherActor(crew)
            stack.push_async_exit(actor.resources)
            return actor

        yield begun


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(ray_actor, "find_spec", lambda name: name)


async def test_shards_are_absorbed_once_and_removed(ledger):
    ledger.record("luna", ASK, Answer("first", "stop"))
    with shard(ledger) as one:
        one.record("luna", ASK, Answer("second", "stop"))
        one.record("terra", ASK, Answer("another's", "stop"))
    assert await absorb_shards(ledger) == 1
    assert ledger.find("luna", ASK) == Answer("first", "stop")
    assert ledger.find("terra", ASK) == Answer("another's", "stop")
    assert not (ledger.path.parent / "shards").exists()
    assert await absorb_shards(ledger) == 0


async def test_a_shard_in_use_is_left_alone(ledger, monkeypatch):
    monkeypatch.setattr("restyle.data.ray_engine._LAST_WORDS", 0.3)
    with shard(ledger) as one:
        one.record("luna", ASK, Answer("kept", "stop"))
        assert await absorb_shards(ledger) == 0
        one.record("terra", ASK, Answer("and more", "stop"))
    assert await absorb_shards(ledger) == 2


async def test_a_damaged_shard_is_named_and_kept(ledger):
    damaged = ledger.path.parent / "shards/actor.db"
    damaged.parent.mkdir()
    damaged.write_text("no database, and long enough to be none" * 9)
    with pytest.raises(LedgerError, match=r"shards/actor\.db: "):
        await absorb_shards(ledger)
    assert damaged.exists()


@pytest.mark.usefixtures("installed")
def test_actors_share_what_the_whole_run_may_take(tmp_path):
    given = {"max_concurrency": 10, "requests_per_minute": 600, "tokens_per_minute": 1e5, "max_cost": 2.0}
    share = crew(tmp_path, "luna", **given).share(4)
    assert share.limits == {"concurrency": 2, "requests_per_minute": 150, "tokens_per_minute": 25_000}
    assert share.max_cost == 0.5
    free = crew(tmp_path, "luna").share(4)
    assert set(free.limits.values()) == {None}
    assert free.max_cost is None


@pytest.mark.usefixtures("installed")
def test_teachers_leave_by_name_only(tmp_path, monkeypatch):
    class Luna:
        identity, system, api_key = "luna", "", "sk-secret"

    monkeypatch.chdir(tmp_path)
    assert crew(Path("pairs"), ["luna", Path("recorded.jsonl")]).teachers == ["luna", str(tmp_path / "recorded.jsonl")]
    assert crew(Path("pairs"), "luna").out == tmp_path / "pairs"
    with pytest.raises(PairsError, match=r"type Luna cannot be sent .* leave engine='ray' out$") as caught:
        crew(tmp_path, [Luna()])
    assert "sk-" not in str(caught.value)


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_actor, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'restyle\[ray\]'"):
        crew(tmp_path, "luna")


@pytest.mark.usefixtures("installed")
async def test_an_actor_keeps_answers_and_tells_which_blocks_have_none(tmp_path, begin):
    with Sandbox(replies={"luna": plain_reply}) as sandbox:
        sandbox.inject(Fault("status", status=400))
        actor = begin(crew(tmp_path, "luna", base_url=sandbox.base_url, max_concurrency=1))
        outcome = OUTCOME.validate_json((await actor(batch(job(1), job(2), job(3))))["outcome"][0])
        again = OUTCOME.validate_json((await actor(batch(job(2))))["outcome"][0])
        asked = len(sandbox.requests)
    (drop,) = outcome.drops[1]
    assert drop.reason == "failed"
    assert "400" in drop.detail
    assert outcome == Outcome("actor", 3, 2, None, {1: [drop], 2: [], 3: []}, outcome.silent)
    assert outcome.silent.status == 400  # so far
    assert again.silent is None
    assert (again.done, again.asked, asked) == (1, 2, 3)


@pytest.mark.usefixtures("installed")
async def test_a_batch_without_an_answer_is_no_end_but_a_wrong_key_is(tmp_path, begin):
    with Sandbox(replies={"luna": plain_reply}) as sandbox:
        sandbox.inject(Fault("status", status=400))
        sandbox.inject(Fault("status", status=401))
        actor = begin(crew(tmp_path, "luna", base_url=sandbox.base_url, max_concurrency=1))
        refused = OUTCOME.validate_json((await actor(batch(job(1))))["outcome"][0])
        closed = OUTCOME.validate_json((await actor(batch(job(2))))["outcome"][0])
    assert refused.failure is None
    assert refused.drops[1][0].reason == "failed"
    assert (closed.failure.kind, closed.failure.status) == ("ModelError", 401)


@pytest.mark.usefixtures("installed")
async def test_answers_known_to_the_driver_are_not_asked_for_again(tmp_path, begin):
    with Sandbox(replies={"luna": plain_reply}) as sandbox:
        described = crew(tmp_path, "luna", base_url=sandbox.base_url)
        (teacher,) = ray_actor.find_teachers(described.teachers, described.base_url)
        with Ledger(Path(":memory:")) as empty:
            ((_, ask),) = Asking([teacher], empty).pending(job(1).block)
        known = {Ledger.key(teacher.identity, ask): Answer(plain_passage(1), "stop")}
        await begin(described)(batch(job(1, known), job(2)))
        assert [request.body["messages"][1]["content"] for request in sandbox.requests] == [styled_passage(2)]


@pytest.mark.usefixtures("installed")
async def test_an_actor_stops_at_its_share_of_the_cost(tmp_path, begin):
    with Sandbox(replies={"luna": plain_reply}) as sandbox:
        whole = Crew.of(
            {**OPTIONS, "out": tmp_path, "base_url": sandbox.base_url, "max_concurrency": 1, "max_cost": 1e-9},
            {},
            [Price(1.0, 1.0)],
        )
        outcome = OUTCOME.validate_json((await begin(whole)(batch(job(1), job(2))))["outcome"][0])
    assert outcome.asked == 1
    assert outcome.drops == {1: [], 2: [Drop("unasked", "the most that it may cost was spent before")]}


@pytest.fixture
def on_an_actor(monkeypatch, begin):
    """The driver's part, with an actor in this process instead of a cluster."""
    pytest.importorskip("pyarrow")

    async def outcomes(table, crew):
        actor = begin(crew)
        for start in range(0, len(table), BATCH):
            (text,) = (await actor(table.slice(start, BATCH).to_pydict()))["outcome"]
            yield OUTCOME.validate_json(text)
        await actor.resources.aclose()  # as its process would end

    monkeypatch.setattr(ray_engine, "_outcomes", outcomes)


async def settled(ledger, whole, limit, engine):
    """What becomes of 50 blocks, by an engine, and the numbers of new answers and of others."""
    teachers = ray_actor.find_teachers(whole.teachers, whole.base_url, concurrency=1)
    run = Asking(teachers, ledger, limit=limit, meter=Meter(*whole.prices))
    blocks = [(number, job(number).block) for number in range(1, 51)]
    new = await ask_on_ray(run, blocks, whole, total=len(blocks)) if engine == "ray" else 0
    made = [result async for result in run.settled(blocks, concurrency=1)]
    return made, run.asked + new, run.reused - new


@pytest.mark.usefixtures("installed", "on_an_actor")
async def test_what_has_no_answer_is_dropped_as_by_the_default_engine(tmp_path):
    results = {}
    for engine in ("local", "ray"):
        with (
            Sandbox(replies={"luna": plain_reply, "terra": plain_reply}) as sandbox,
            Ledger(tmp_path / engine / "ledger.db") as ledger,
        ):
            whole = crew(tmp_path / engine, ["luna", "terra"], max_concurrency=1, base_url=sandbox.base_url)
            runs = []
            # The second block has no answer of terra's, the third one of luna's: both have in the next run.
            for limit, statuses in ((1, ()), (40, (None, 400, 422)), (None, ())):
                for status in statuses:
                    sandbox.inject(Fault("status", status=status) if status else Fault("slow", delay=0.0))
                made, asked, reused = await settled(ledger, whole, limit, engine)
                runs.append(([strip_address(result, sandbox) for result in made], asked, reused))
            results[engine] = runs, len(sandbox.requests)
    assert results["ray"] == results["local"]
    (first, second, last), _ = results["ray"]
    assert first[1:] == (2, 0)
    assert "only 40 new blocks" in second[0][-1]
    assert sum("failed" in block for block in second[0]) == 2
    assert not any("failed" in block or "unasked" in block for block in last[0])
    assert last[1:] == (2 + 2 * 9, 2 * 40)


@pytest.mark.usefixtures("installed", "on_an_actor")
async def test_a_teacher_that_answers_nothing_is_an_error(tmp_path, ledger):
    with Sandbox(replies={"luna": plain_reply}) as sandbox:
        sandbox.inject(Fault("status", status=400), times=50)
        with pytest.raises(ModelError, match="400"):
            await settled(ledger, crew(tmp_path, "luna", base_url=sandbox.base_url), None, "ray")


def strip_address(result, sandbox):
    """Without the port, which every sandbox has its own of."""
    return repr(result).replace(sandbox.base_url, "")


def plain_reply(messages):
    return plain(messages[1]["content"])
