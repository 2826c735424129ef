"""Enqueueing: what is sent, what is answered, and what a type checker refuses."""

import asyncio
import json
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from barback.answers import Answer, Created, Swallowed
from barback.broker import NewJob
from barback.bullmq import BullMQBroker
from barback.errors import BrokerUnavailable, InvalidOptions, InvalidPayload
from barback.job import Context, Job, job
from barback.memory import MemoryBroker
from barback.options import Deduplication, JobOptions, Retention
from barback.payload import Payload
from barback.payload_limits import PayloadLimits
from barback.producer import CHUNK, CHUNK_BYTES, Producer, flow, new_job
from barback.recycling import resident_mb
from barback.retry import Fixed

from .eventually import until


class Address(Payload, frozen=True):
    city_slug: str


class ProcessCafe(Payload, frozen=True):
    cafe_id: int
    sent_to: Address | None = None


class UpdateStats(Payload, frozen=True):
    city_slug: str | None = None

    def unique(self) -> str | None:
        return self.city_slug


@pytest.fixture
def process(queue_name: str) -> Job[ProcessCafe, None, Any]:
    @job("process-cafe", queue=queue_name, attempts=3, backoff=Fixed(2), priority=4)
    async def process_cafe(payload: ProcessCafe, ctx: Context[None]) -> None: ...

    return process_cafe


@pytest.fixture
def update(queue_name: str) -> Job[UpdateStats, None, Any]:
    @job("update-stats", queue=queue_name)
    async def update_stats(payload: UpdateStats, ctx: Context[None]) -> None: ...

    return update_stats


@pytest.fixture
def enqueue(broker: BullMQBroker) -> Producer:
    return Producer(broker)


async def test_a_payload_is_camel_case_on_the_wire_and_the_job_durable(
    broker: BullMQBroker, enqueue: Producer, process: Job[ProcessCafe, None, Any]
) -> None:
    """P1, P5, P18."""
    answer = await enqueue(process, ProcessCafe(cafe_id=7, sent_to=Address(city_slug="köln")))
    assert answer == Created("1")
    record = await broker.get(process.queue, "1")
    assert record is not None
    assert record.name == "process-cafe"
    assert json.loads(record.data) == {"cafeId": 7, "sentTo": {"citySlug": "köln"}}
    assert record.options == JobOptions(attempts=3, backoff=Fixed(2), priority=4)


async def test_one_enqueue_may_override_every_option_of_the_declaration(
    broker: BullMQBroker, enqueue: Producer, process: Job[ProcessCafe, None, Any]
) -> None:
    answer = await enqueue(
        process,
        ProcessCafe(cafe_id=7),
        job_id="cafe-7",
        priority=0,
        delay_s=60,
        attempts=9,
        backoff=None,
        lifo=True,
        deduplicate=Deduplication.throttle("k", 5),
        keep_completed=Retention(count=1),
        keep_failed=Retention(),
        on_failure="ignore",
        keep_logs=7,
        keep_stacktraces=3,
    )
    assert answer == Created("cafe-7")
    record = await broker.get(process.queue, "cafe-7")
    assert record is not None
    assert record.state == "delayed"
    assert record.options == JobOptions(
        delay_s=60,
        attempts=9,
        lifo=True,
        deduplicate=Deduplication.throttle("k", 5),
        keep_completed=Retention(count=1),
        keep_failed=Retention(),
        on_failure="ignore",
        keep_logs=7,
        keep_stacktraces=3,
    )


async def test_an_override_that_is_not_allowed_enqueues_nothing(
    broker: BullMQBroker, enqueue: Producer, process: Job[ProcessCafe, None, Any]
) -> None:
    """B9."""
    for job_id in ("5", "a:b", "wait"):
        with pytest.raises(InvalidOptions):
            await enqueue(process, ProcessCafe(cafe_id=7), job_id=job_id)
    with pytest.raises(InvalidOptions, match="a number is larger"):
        await enqueue(process, ProcessCafe(cafe_id=7), attempts=2**64)
    assert not any((await broker.counts(process.queue)).values())


async def test_a_payload_that_cannot_be_written_as_json_says_so(
    enqueue: Producer, update: Job[UpdateStats, None, Any]
) -> None:
    with pytest.raises(InvalidPayload, match="Payload of 'update-stats' does not fit: it cannot be written as JSON"):
        await enqueue(update, UpdateStats(city_slug="k\udce9ln"))


# ── unique ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_of_payloads_with_one_unique_key_one_waits(
    broker: BullMQBroker, enqueue: Producer, update: Job[UpdateStats, None, Any]
) -> None:
    """P4, P5."""
    assert await enqueue(update, UpdateStats(city_slug="köln")) == Created("1")
    assert await enqueue(update, UpdateStats(city_slug="köln")) == Swallowed("1", "waiting")
    assert isinstance(await enqueue(update, UpdateStats(city_slug="bonn")), Created)
    assert isinstance(await enqueue(update, UpdateStats()), Created)
    assert isinstance(await enqueue(update, UpdateStats()), Created)
    assert (await broker.counts(update.queue))["waiting"] == 4


def test_unique_is_deduplication_that_keeps_the_last_and_never_a_job_id(update: Job[UpdateStats, None, Any]) -> None:
    """P4. The key has the job's name in it: two jobs of a queue may use the same one."""
    options = new_job(update, UpdateStats(city_slug="köln"), {}).options
    assert options.deduplicate == Deduplication("update-stats:köln", keep_last_if_active=True)
    assert options.job_id is None


def test_a_unique_job_cannot_have_an_id_of_its_own(update: Job[UpdateStats, None, Any]) -> None:
    """P6: BullMQ would write the kept job over another one that has the id by then."""
    with pytest.raises(InvalidOptions, match="job_id: 'update-stats' is unique"):
        new_job(update, UpdateStats(city_slug="köln"), {"job_id": "mine"})


def test_deduplication_that_is_asked_for_wins_over_the_payloads_own(update: Job[UpdateStats, None, Any]) -> None:
    asked = Deduplication.simple("mine")
    assert new_job(update, UpdateStats(city_slug="köln"), {"deduplicate": asked}).options.deduplicate == asked


@pytest.mark.parametrize(("delay_s", "becomes"), [(0, 5), (60, 60)])
def test_a_debounced_job_is_delayed_for_else_no_add_could_replace_it(
    process: Job[ProcessCafe, None, Any], delay_s: float, becomes: float
) -> None:
    asked = Deduplication.debounce("k", 5)
    options = new_job(process, ProcessCafe(cafe_id=7), {"deduplicate": asked, "delay_s": delay_s}).options
    assert (options.delay_s, options.deduplicate) == (becomes, asked)


@pytest.mark.parametrize(
    "asked", [Deduplication.throttle("k", 5), Deduplication.simple("k"), Deduplication("k", replace=True)]
)
def test_other_deduplication_delays_nothing(process: Job[ProcessCafe, None, Any], asked: Deduplication) -> None:
    assert new_job(process, ProcessCafe(cafe_id=7), {"deduplicate": asked}).options.delay_s == 0


async def test_of_debounced_adds_the_last_one_runs_once_they_have_ceased(process: Job[ProcessCafe, None, Any]) -> None:
    broker = MemoryBroker()
    for cafe_id in (1, 2):
        await Producer(broker)(process, ProcessCafe(cafe_id=cafe_id), deduplicate=Deduplication.debounce("k", 5))
        await broker.move_clock(3)
    assert not await broker.list_jobs(process.queue, "prioritized", 0, 9)
    [record] = await broker.list_jobs(process.queue, "delayed", 0, 9)
    assert json.loads(record.data)["cafeId"] == 2


# ── many ────────────────────────────────────────────────────────────────────────────────────────────────


class Counting(MemoryBroker):
    """Remembers how many jobs it was given at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    async def add(self, jobs: Sequence[NewJob]) -> list[Answer]:
        self.sizes.append(len(jobs))
        return [Created("1")] * len(jobs)


async def test_many_are_enqueued_in_order_with_an_answer_each(
    broker: BullMQBroker, enqueue: Producer, update: Job[UpdateStats, None, Any]
) -> None:
    """P5, P17."""
    slugs = [f"city-{n % 500}" for n in range(CHUNK + 250)]
    answers = await enqueue.many(update, (UpdateStats(city_slug=slug) for slug in slugs))
    created = [answer.job_id for answer in answers if isinstance(answer, Created)]
    assert len(answers) == CHUNK + 250
    assert len(created) == 500
    assert answers[500] == Swallowed(created[0], "waiting")
    assert answers[-1] == Swallowed(created[249], "waiting")
    waiting = await broker.list_jobs(update.queue, "waiting", 0, 1000)
    assert [json.loads(record.data)["citySlug"] for record in waiting] == slugs[:500]


async def test_many_are_sent_a_chunk_at_a_time(process: Job[ProcessCafe, None, Any]) -> None:
    broker = Counting()
    await Producer(broker).many(process, [ProcessCafe(cafe_id=n) for n in range(2 * CHUNK + 1)])
    assert broker.sizes == [CHUNK, CHUNK, 1]
    assert await Producer(broker).many(process, []) == []


async def test_a_stream_says_how_many_were_created_and_swallowed(
    broker: BullMQBroker, enqueue: Producer, update: Job[UpdateStats, None, Any]
) -> None:
    async def payloads() -> AsyncIterator[UpdateStats]:
        for n in range(CHUNK + 250):
            yield UpdateStats(city_slug=f"city-{n % 500}")

    assert await enqueue.stream(update, payloads()) == (500, CHUNK - 250)
    assert (await broker.counts(update.queue))["waiting"] == 500


async def test_a_stream_takes_no_more_memory_for_more_payloads(process: Job[ProcessCafe, None, Any]) -> None:
    async def payloads(count: int) -> AsyncIterator[ProcessCafe]:
        for n in range(count):
            yield ProcessCafe(cafe_id=n)

    async def peak(count: int) -> int:
        broker = Counting()
        tracemalloc.start()
        created, _ = await Producer(broker).stream(process, payloads(count))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (created, sum(broker.sizes), max(broker.sizes)) == (count, count, CHUNK)
        return most

    few = await peak(3 * CHUNK)
    assert await peak(12 * CHUNK) < 1.5 * few


async def test_a_chunk_of_large_payloads_is_a_small_one(update: Job[UpdateStats, None, Any]) -> None:
    """P23: memory is bounded by their size too."""
    broker = Counting()
    large = UpdateStats(city_slug="x" * (CHUNK_BYTES // 4))
    await Producer(broker, PayloadLimits(warn_bytes=0)).many(update, [large] * 9)
    assert broker.sizes == [4, 4, 1]


class Slow(Counting):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()

    async def add(self, jobs: Sequence[NewJob]) -> list[Answer]:
        answers = await super().add(jobs)
        await self.answer.wait()
        return answers


async def test_the_next_chunk_is_made_while_one_is_on_its_way_and_no_further(
    process: Job[ProcessCafe, None, Any],
) -> None:
    """P17: never two on their way."""
    broker = Slow()
    made: list[int] = []

    async def payloads() -> AsyncIterator[ProcessCafe]:
        for n in range(4 * CHUNK):
            made.append(n)
            if n == CHUNK + 1:
                assert broker.sizes == [CHUNK], "the first one was not sent before the second one was begun"
            yield ProcessCafe(cafe_id=n)

    adding = asyncio.create_task(Producer(broker).stream(process, payloads()))
    await until(lambda: len(made) == 2 * CHUNK)
    for _ in range(10):
        await asyncio.sleep(0)
    assert (len(made), broker.sizes) == (2 * CHUNK, [CHUNK])
    broker.answer.set()
    assert await adding == (4 * CHUNK, 0)


async def test_what_was_sent_before_a_payload_that_is_refused_is_in(
    broker: BullMQBroker, enqueue: Producer, process: Job[ProcessCafe, None, Any]
) -> None:
    """P1, P23."""

    def payloads() -> Iterator[ProcessCafe]:
        yield from (ProcessCafe(cafe_id=n) for n in range(CHUNK + 1))
        yield ProcessCafe(cafe_id=7, sent_to=Address(city_slug="\ud800"))

    with pytest.raises(InvalidPayload):
        await enqueue.many(process, payloads())
    assert (await broker.counts(process.queue))["prioritized"] == CHUNK


async def test_a_chunk_that_could_not_be_sent_is_told_before_a_payload_that_was_refused_after_it(
    process: Job[ProcessCafe, None, Any],
) -> None:
    """P1: who reads that a payload was refused takes the chunks before it for enqueued."""

    class Away(MemoryBroker):
        async def add(self, jobs: Sequence[NewJob]) -> list[Answer]:
            raise BrokerUnavailable("gone for lunch")

    def payloads() -> Iterator[ProcessCafe]:
        yield from (ProcessCafe(cafe_id=n) for n in range(CHUNK + 1))
        yield ProcessCafe(cafe_id=7, sent_to=Address(city_slug="\ud800"))

    with pytest.raises(BrokerUnavailable) as told:
        await Producer(Away()).many(process, payloads())
    assert isinstance(told.value.__cause__, InvalidPayload)


async def test_a_cancelled_stream_leaves_nothing_running(process: Job[ProcessCafe, None, Any]) -> None:
    broker = Slow()
    many = asyncio.create_task(Producer(broker).many(process, [ProcessCafe(cafe_id=n) for n in range(CHUNK + 1)]))
    await until(lambda: broker.sizes)
    many.cancel()
    with pytest.raises(asyncio.CancelledError):
        await many
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.slow
async def test_two_hundred_thousand_payloads_take_no_more_memory_than_a_few(
    broker: BullMQBroker, enqueue: Producer, process: Job[ProcessCafe, None, Any]
) -> None:
    """The whole way to Redis, as the kernel counts it."""

    async def payloads(count: int) -> AsyncIterator[ProcessCafe]:
        for n in range(count):
            yield ProcessCafe(cafe_id=n, sent_to=Address(city_slug="x" * 100))

    await enqueue.stream(process, payloads(20_000))
    before = resident_mb()
    assert await enqueue.stream(process, payloads(200_000)) == (200_000, 0)
    assert resident_mb() - before < 10


# ── raw ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_raw_takes_json_as_a_person_writes_it(
    broker: BullMQBroker, enqueue: Producer, process: Job[ProcessCafe, None, Any]
) -> None:
    await enqueue.raw(process, {"cafeId": "7", "sentTo": None}, delay_s=60)
    [record] = await broker.list_jobs(process.queue, "delayed", 0, 9)
    assert json.loads(record.data) == {"cafeId": 7, "sentTo": None}


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ({}, ["cafeId: Field required"]),
        (
            {"cafeId": "x", "sentTo": {"citySlug": 5}, "cafId": 1},
            [
                "cafeId: Input should be a valid integer, unable to parse string as an integer",
                "sentTo.citySlug: Input should be a valid string",
                "cafId: Extra inputs are not permitted",
            ],
        ),
        ([1], ["Input should be an object"]),
        (None, ["Input should be an object"]),
    ],
)
async def test_raw_refuses_what_does_not_fit_with_a_line_for_each_field(
    broker: BullMQBroker, enqueue: Producer, process: Job[ProcessCafe, None, Any], data: Any, fields: list[str]
) -> None:
    with pytest.raises(InvalidPayload) as refused:
        await enqueue.raw(process, data)
    assert refused.value.fields == fields
    assert str(refused.value) == "Payload of 'process-cafe' does not fit: " + "; ".join(fields)
    assert not any((await broker.counts(process.queue)).values())


AROUND: list[Any] = []
AROUND.append(AROUND)


@pytest.mark.parametrize(
    "data",
    [float("nan"), {"cafeId": float("inf")}, {"cafeId": object()}, {1, 2}, {(1, 2): 3}, AROUND, b"{}"],
    ids=["nan", "infinity", "an object", "a set", "a pair for a key", "itself", "bytes"],
)
async def test_raw_refuses_what_is_no_json_value(
    broker: BullMQBroker, enqueue: Producer, process: Job[ProcessCafe, None, Any], data: Any
) -> None:
    with pytest.raises(InvalidPayload, match="Payload of 'process-cafe' does not fit: it is not a JSON value: "):
        await enqueue.raw(process, data)
    assert not any((await broker.counts(process.queue)).values())


# ── flows ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_flow_is_enqueued_whole_with_an_answer_for_each_of_its_jobs(
    broker: BullMQBroker, enqueue: Producer, update: Job[UpdateStats, None, Any], process: Job[ProcessCafe, None, Any]
) -> None:
    root = flow(
        update,
        UpdateStats(),
        children=[
            flow(process, ProcessCafe(cafe_id=1), priority=0),
            flow(process, ProcessCafe(cafe_id=2), job_id="second", delay_s=60),
        ],
    )
    added = await enqueue.flow(root)
    assert isinstance(added.answer, Created)
    first, second = (child.answer for child in added.children)
    assert isinstance(first, Created)
    assert second == Created("second")
    assert await broker.state(update.queue, added.answer.job_id) == "waiting-children"
    assert await broker.state(process.queue, first.job_id) == "waiting"
    record = await broker.get(process.queue, "second")
    assert record is not None
    assert (record.state, record.data) == ("delayed", '{"cafeId":2,"sentTo":null}')


# ── types ───────────────────────────────────────────────────────────────────────────────────────────────

USES = """
    from barback import Context, Fixed, NoPayload, Payload, Producer, flow, job

    class ProcessCafe(Payload, frozen=True):
        cafe_id: int

    @job("process-cafe", queue="q")
    async def process_cafe(payload: ProcessCafe, ctx: Context[str]) -> int:
        await ctx.enqueue(process_cafe, ProcessCafe(cafe_id=1), delay_s=5)
        return len(ctx.services)

    async def use(enqueue: Producer, ctx: Context[str]) -> None:
        await enqueue(process_cafe, ProcessCafe(cafe_id=1), backoff=Fixed(2))
        await enqueue.many(process_cafe, [ProcessCafe(cafe_id=1)], attempts=3)
        flow(process_cafe, ProcessCafe(cafe_id=1), children=[flow(process_cafe, ProcessCafe(cafe_id=2))])
        number: int = await process_cafe(ProcessCafe(cafe_id=1), ctx)
        print(number)
"""
WRONG = [
    "await enqueue(process_cafe, NoPayload())",
    "await enqueue(process_cafe, {'cafeId': 1})",
    "await enqueue(process_cafe, ProcessCafe(cafe_id='x'))",
    "await enqueue(process_cafe, ProcessCafe(cafe=1))",
    "await enqueue(process_cafe, ProcessCafe(cafe_id=1), dely_s=5)",
    "await enqueue(process_cafe, ProcessCafe(cafe_id=1), delay_s='5')",
    "await enqueue.many(process_cafe, [NoPayload()])",
    "await ctx.enqueue(process_cafe, NoPayload())",
    "flow(process_cafe, NoPayload())",
    "await process_cafe(NoPayload(), ctx)",
]


def test_a_wrong_payload_or_option_is_an_error_of_the_type_checker(tmp_path: Path) -> None:
    lines = [*dedent(USES).splitlines(), *(f"    {line}" for line in WRONG)]
    (tmp_path / "uses.py").write_text("\n".join(lines) + "\n")
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(tmp_path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(checked.stdout)["generalDiagnostics"]
    complained = {d["range"]["start"]["line"] for d in found if d["severity"] == "error"}
    assert complained == set(range(len(lines) - len(WRONG), len(lines))), found
