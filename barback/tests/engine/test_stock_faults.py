"""What a worker of the `bullmq` package itself gets wrong, one test a fault: here it is right.

B1 to B24 are numbered as in docs/stock-faults.md, which says what was measured. Some have more tests elsewhere.
"""

import asyncio
import contextlib
import inspect
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from importlib.metadata import files, requires
from itertools import pairwise
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog

from barback.app import App, no_services
from barback.broker import Exchange, Lease, NewFlow, NewJob, QueueLimits, StoredSchedule
from barback.bullmq import BullMQBroker
from barback.bullmq.connection import LONGEST_BLOCK_S, client_name
from barback.cli.enqueue import _wait
from barback.cron import Timing
from barback.errors import BrokerError, InvalidOptions
from barback.job import AnyJob, Context, Job, job
from barback.options import RESERVED_JOB_IDS, JobOptions
from barback.payload import NoPayload
from barback.producer import Producer
from barback.retry import Custom, Fixed, wait_after
from barback.schedule import Schedule
from barback.worker import Worker
from barback.worker_options import WorkerOptions, WorkerReport
from drills.servers import Valkey

from .eventually import eventually, until
from .working import drained, working

NOTHING = NoPayload()
START = Callable[..., Valkey]


@pytest.fixture
async def beside(valkey_url: str) -> AsyncGenerator[BullMQBroker]:
    """A second broker, as another process has."""
    async with opened(valkey_url) as broker:
        yield broker


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncGenerator[BullMQBroker]:
    broker = BullMQBroker(url)
    await broker.open()
    try:
        yield broker
    finally:
        await broker.close()


def does(queue: str, what: Callable[[Context[None]], Any], **options: Any) -> Job[NoPayload, None, Any]:
    @job("any", queue=queue, **options)
    async def any_job(payload: NoPayload, ctx: Context[None]) -> Any:
        result = what(ctx)
        return await result if inspect.isawaitable(result) else result

    return any_job


def sleeps(queue: str, for_s: float, most: list[int] | None = None) -> AnyJob:
    inside = 0

    async def sleep(ctx: Context[None]) -> None:
        nonlocal inside
        inside += 1
        if most is not None:
            most.append(inside)
        await asyncio.sleep(for_s)
        inside -= 1

    return does(queue, sleep)


async def test_b1_a_job_is_picked_up_at_once_after_a_block_has_run_out(
    broker: BullMQBroker, beside: BullMQBroker, queue_name: str
) -> None:
    """The stock client's read timeout equals its block: late by seconds, up to 14 after a minute of idling."""
    started: list[float] = []
    async with working(broker, does(queue_name, lambda _: started.append(time.monotonic()))):
        await asyncio.sleep(LONGEST_BLOCK_S + 0.5)
        added = time.monotonic()
        await beside.add([NewJob(queue_name, "any", "{}")])
        await until(lambda: started)
    assert started[0] - added < 0.1


async def test_b2_who_waits_for_a_job_goes_on_when_redis_is_back(
    start_valkey: START, queue_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stock event reader dies with its connection and never comes back; ours asks, and asks again."""
    server = start_valkey()
    async with opened(server.url) as broker:
        await broker.add([NewJob(queue_name, "any", "{}")])
        waiting = asyncio.create_task(_wait(broker, queue_name, "1"))
        server.stop()
        await asyncio.sleep(0.3)
        server.start()
        await drained(broker, does(queue_name, lambda _: "done"))
        async with asyncio.timeout(5):
            await waiting
    assert capsys.readouterr().out.splitlines()[-1] == 'completed: "done"'


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit(), KeyboardInterrupt(), SystemExit(3)])
async def test_b3_whatever_a_handler_raises_ends_that_one_job(
    broker: BullMQBroker, queue_name: str, error: BaseException
) -> None:
    """It ended the loop: process alive, jobs stuck active."""

    def first_raises(ctx: Context[None]) -> None:
        if ctx.job_id == "1":
            raise error

    await broker.add([NewJob(queue_name, "any", "{}") for _ in range(3)])
    assert await drained(broker, does(queue_name, first_raises)) == WorkerReport(completed=2, failed=1)


async def test_b4_locks_are_renewed_until_the_last_job_of_a_stopping_worker_has_ended(
    broker: BullMQBroker, beside: BullMQBroker, queue_name: str
) -> None:
    """Closing stopped the renewal: what still ran, ran twice."""
    starts: Counter[str] = Counter()
    long = sleeps(queue_name, 1.2)
    counting = does(queue_name, lambda ctx: starts.update([ctx.job_id]))
    await broker.add([NewJob(queue_name, "any", "{}") for _ in range(3)])

    async def busy() -> bool:
        return (await beside.counts(queue_name))["active"] == 3

    async with working(broker, long, lock_s=0.3, stalled_check_s=0.1) as running:
        await eventually(busy)
        running.worker.stop()
        async with working(beside, counting, lock_s=0.3, stalled_check_s=0.1):
            report = await running.stopped()
    assert report == WorkerReport(completed=3)
    assert starts == Counter()


async def test_b5_a_rate_limit_costs_the_time_that_it_says(broker: BullMQBroker, queue_name: str) -> None:
    """30 jobs at 10 a second took 10.1 s."""
    await broker.add([NewJob(queue_name, "any", "{}") for _ in range(15)])
    await broker.set_limits(queue_name, QueueLimits(rate=(5, 0.5)))
    started = time.monotonic()
    await drained(broker, does(queue_name, lambda _: None))
    assert 0.95 < time.monotonic() - started < 1.6


async def test_b6_a_global_limit_is_taken_up_as_soon_as_a_slot_frees(broker: BullMQBroker, queue_name: str) -> None:
    """20 jobs of 100 ms, two at a time, took 45 s."""
    most: list[int] = []
    await broker.add([NewJob(queue_name, "any", "{}") for _ in range(10)])
    await broker.set_limits(queue_name, QueueLimits(concurrency=2))
    started = time.monotonic()
    await drained(broker, sleeps(queue_name, 0.1, most))
    assert max(most) == 2
    assert time.monotonic() - started < 1.2


async def test_b7_delayed_jobs_are_not_late_by_the_rest_of_a_second(
    broker: BullMQBroker, beside: BullMQBroker, queue_name: str
) -> None:
    """330 to 980 ms late, since blocks were of whole seconds."""
    started_at: list[float] = []
    late_s: list[float] = []
    async with working(broker, does(queue_name, lambda _: started_at.append(time.time()))):
        for n, delay_s in enumerate((0.21, 0.37, 0.55)):
            due_at = time.time() + delay_s
            await beside.add([NewJob(queue_name, "any", "{}", JobOptions(delay_s=delay_s))])
            await until(lambda n=n: len(started_at) > n)
            late_s.append(started_at[-1] - due_at)
    assert median(late_s) < 0.05


class Counting(BullMQBroker):
    """Counts its exchanges."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.exchanges = 0

    async def exchange(self, queue: str, settlements: Any, fetch: int, lease: Lease) -> Exchange:
        self.exchanges += 1
        return await super().exchange(queue, settlements, fetch, lease)


@pytest.mark.parametrize("concurrency", [10, 200])
async def test_b8_calls_a_job_do_not_grow_with_concurrency(valkey_url: str, queue_name: str, concurrency: int) -> None:
    """23, 203 and 970 calls a job at a concurrency of 10, 100 and 500."""
    broker = Counting(valkey_url)
    await broker.open()
    await broker.add([NewJob(queue_name, "any", "{}") for _ in range(400)])
    await drained(broker, does(queue_name, lambda _: None), default_concurrency=concurrency)
    assert broker.exchanges < 400
    await broker.close()


@pytest.mark.parametrize("job_id", ["5", "-1", "a:b", "", *sorted(RESERVED_JOB_IDS)])
def test_b9_ids_that_would_break_the_queue_are_refused(job_id: str) -> None:
    """'5' was overwritten later, 'wait' broke the queue for good."""
    with pytest.raises(InvalidOptions, match="Job id"):
        JobOptions(job_id=job_id)


def no_backoff(attempt: int, error: BaseException) -> float:
    raise ValueError("no idea")


@pytest.mark.parametrize(
    ("error", "backoff"),
    [(ValueError("\udce4 lone"), None), (ValueError("x"), Custom(no_backoff)), (ValueError("m" * 3_000_000), None)],
)
async def test_b10_a_job_is_settled_whatever_makes_settling_it_hard(
    broker: BullMQBroker, queue_name: str, error: Exception, backoff: Any
) -> None:
    """It stayed active until it stalled."""

    def fails(_: Context[None]) -> None:
        raise error

    of = does(queue_name, fails, attempts=1 if backoff is None else 2, backoff=backoff)
    await Producer(broker)(of, NOTHING)
    assert await drained(broker, of) == WorkerReport(failed=1)


async def test_b11_a_handler_that_blocks_the_loop_for_two_locks_runs_once_and_is_named(
    broker: BullMQBroker, valkey_url: str, queue_name: str
) -> None:
    """It ran twice, and then counted as failed."""
    starts: list[int] = []

    def blocks(ctx: Context[None]) -> None:
        starts.append(ctx.starts)
        time.sleep(1.2)

    over = threading.Event()

    def recover() -> None:
        async def look() -> None:
            async with opened(valkey_url) as other:
                while not over.is_set():
                    await other.recover_stalled(queue_name, 0.05)
                    await asyncio.sleep(0.05)

        asyncio.run(look())

    await broker.add([NewJob(queue_name, "any", "{}")])
    looking = asyncio.create_task(asyncio.to_thread(recover))
    with structlog.testing.capture_logs() as logged:
        report = await drained(broker, does(queue_name, blocks), lock_s=0.6, stalled_check_s=0.1)
    over.set()
    await looking
    assert (report, starts) == (WorkerReport(completed=1), [1])
    assert [event["job"] for event in logged if event["event"].startswith("event loop blocked")] == ["any 1"]


async def test_b12_the_clients_are_ours_and_read_text(broker: BullMQBroker, queue_name: str) -> None:
    """A client without `decode_responses` ran handlers and completed nothing: nobody can hand us one."""
    assert list(inspect.signature(BullMQBroker).parameters) == ["url", "db", "prefix"]
    await broker.add([NewJob(queue_name, "any", '"ä"')])
    [fetched] = (await broker.exchange(queue_name, [], 1, Lease("w"))).jobs
    assert fetched.data == '"ä"'


def test_b13_there_is_no_listener_that_could_break_the_loop() -> None:
    """One that raised did; async ones were never awaited."""
    taken = {*inspect.signature(Worker).parameters, *inspect.signature(WorkerOptions).parameters}
    assert not [name for name in taken if name.startswith("on_") or "listener" in name or "hook" in name]


async def test_b14_a_plain_def_runs_once_in_a_thread(broker: BullMQBroker, queue_name: str) -> None:
    """It ran, failed on being awaited, and was tried again."""
    threads: list[int] = []

    @job("any", queue=queue_name, attempts=3)
    def plain(payload: NoPayload, ctx: Context[None]) -> str:
        threads.append(threading.get_ident())
        return "done"

    await Producer(broker)(plain, NOTHING)
    assert await drained(broker, plain) == WorkerReport(completed=1)
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


def test_b15_a_worker_may_be_made_before_its_loop_runs(valkey_url: str, queue_name: str) -> None:
    """One made outside a running loop never ran and said nothing."""
    ran: list[str] = []
    of = does(queue_name, lambda ctx: ran.append(ctx.job_id))
    broker = BullMQBroker(valkey_url)
    worker = Worker(App(jobs=[of], services=no_services), broker)

    async def run() -> WorkerReport:
        await broker.open()
        try:
            await Producer(broker)(of, NOTHING)
            return await worker.run(until_drained=True)
        finally:
            await broker.close()

    assert asyncio.run(run()) == WorkerReport(completed=1)
    assert ran == ["1"]


def berlin(*moment: int) -> float:
    return datetime(*moment, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()  # type: ignore[arg-type]


def test_b16_cron_is_right_at_clock_changes() -> None:
    """`0 9 * * MON-FRI` fired at 8 and at 9 on 30 March 2026; `30 2 * * *` an hour late after the autumn change."""
    after_sunday = berlin(2026, 3, 29, 12)
    assert Timing("0 9 * * MON-FRI", tz="Europe/Berlin").next_after(after_sunday) == berlin(2026, 3, 30, 9)
    autumn = Timing("30 2 * * *", tz="Europe/Berlin").next_after(berlin(2026, 10, 25, 12))
    assert autumn == berlin(2026, 10, 26, 2, 30)
    first = berlin(2026, 10, 25, 1)
    slots = [first, *Timing("0 * * * *", tz="Europe/Berlin").following(first, 3)]
    assert [later - earlier for earlier, later in pairwise(slots)] == [3600] * 3


async def test_b17_a_schedule_always_names_its_zone(broker: BullMQBroker, queue_name: str) -> None:
    """No zone means UTC in Python and local time in Node."""
    of = does(queue_name, lambda _: None)
    schedule = Schedule("daily", of, "0 3 * * *")
    assert schedule.tz == "UTC"
    stored = StoredSchedule("daily", "any", schedule.timing, "{}", next_at=4e9)
    await broker.put_schedule(queue_name, stored)
    assert await broker._connection.run("HGET", f"bull:{queue_name}:repeat:daily", "tz") == "UTC"


async def test_b18_the_waiting_connection_bears_the_name_that_node_looks_for(
    broker: BullMQBroker, beside: BullMQBroker, queue_name: str
) -> None:
    """`getWorkers()` did not see Python workers."""

    async def seen() -> bool:
        return client_name("bull", queue_name) in await beside._connection.run("CLIENT", "LIST")

    async with working(broker, does(queue_name, lambda _: None)):
        await eventually(seen)


async def test_b19_a_missing_parent_and_a_log_of_a_missing_job_leave_nothing_behind(
    broker: BullMQBroker, queue_name: str
) -> None:
    """`job.id` was -5, and logging leaked a key."""
    await broker.add_log(queue_name, "never-there", "line", 10)
    assert await broker._connection.run("EXISTS", f"bull:{queue_name}:never-there:logs") == 0
    added = await broker.add_flow(NewFlow(NewJob(queue_name, "any", "{}"), [NewFlow(NewJob(queue_name, "any", "{}"))]))
    assert len(added.children) == 1
    first = NewJob(queue_name, "any", "{}", JobOptions(job_id="child"))
    await broker.add_flow(NewFlow(NewJob(queue_name, "any", "{}", JobOptions(job_id="one")), [NewFlow(first)]))
    with pytest.raises(BrokerError, match="it already has another parent"):
        await broker.add_flow(NewFlow(NewJob(queue_name, "any", "{}", JobOptions(job_id="two")), [NewFlow(first)]))


async def test_b20_stopping_ends_in_time_though_redis_is_gone(start_valkey: START, queue_name: str) -> None:
    """`close()` swallowed cancellation and hung for more than a minute."""
    server = start_valkey()
    async with opened(server.url) as broker:
        await broker.add([NewJob(queue_name, "any", "{}")])
        started = asyncio.Event()

        async def stays(_: Context[None]) -> None:
            started.set()
            await asyncio.Event().wait()

        async with working(broker, does(queue_name, stays), grace_s=0.5) as running:
            await started.wait()
            server.stop()
            asked = time.monotonic()
            await running.stopped()
            assert time.monotonic() - asked < 1.5


async def test_b21_no_handler_runs_once_the_worker_has_returned(broker: BullMQBroker, queue_name: str) -> None:
    """`close()` returned with a job still running, once in thirty."""
    for _ in range(30):
        inside: list[str] = []

        async def stays(ctx: Context[None], inside: list[str] = inside) -> None:
            inside.append(ctx.job_id)
            try:
                await asyncio.sleep(0.01)
            finally:
                inside.remove(ctx.job_id)

        await broker.add([NewJob(queue_name, "any", "{}") for _ in range(3)])
        async with working(broker, does(queue_name, stays), grace_s=0.0) as running:
            await until(lambda inside=inside: inside)
            await running.stopped()
        assert inside == []
        await drained(broker, does(queue_name, lambda _: None))


async def test_b22_an_error_without_a_message_has_a_reason_and_jitter_is_heeded(
    broker: BullMQBroker, queue_name: str
) -> None:
    """`failedReason` was empty; jitter was ignored."""

    def fails(_: Context[None]) -> None:
        raise ValueError

    await broker.add([NewJob(queue_name, "any", "{}")])
    await drained(broker, does(queue_name, fails))
    record = await broker.get(queue_name, "1")
    assert record is not None
    assert record.failed_reason == "ValueError()"
    backoff = Fixed(10.0, jitter=0.5)
    assert {wait_after(backoff, 1, ValueError(), draw) for draw in (0.0, 0.5)} == {5.0, 7.5}


async def test_b23_an_evicting_redis_is_told_of_when_it_is_opened(start_valkey: START) -> None:
    """The warning came only after some calls."""
    server = start_valkey("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with structlog.testing.capture_logs() as logged:
        async with opened(server.url):
            pass
    assert [event["policy"] for event in logged] == ["allkeys-lru"]


def test_b24_the_stray_folder_and_the_pins_of_the_package_are_known() -> None:
    """Nothing to do: it brings a `node_modules` into site-packages, and pins three of its own dependencies."""
    assert any("node_modules" in str(file) for file in files("bullmq") or ())
    assert any(line.startswith("msgpack==") for line in requires("bullmq") or ())
    assert not any(line.startswith("croniter") for line in requires("barback") or ())
