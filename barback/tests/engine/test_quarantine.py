"""A job that was running when a worker died runs alone next time, and its neighbours are none the worse (P8)."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barback import quarantine as room
from barback.app import App, no_services
from barback.broker import FetchedJob, Lease
from barback.errors import BrokerUnavailable
from barback.job import AnyJob, Context, job
from barback.memory import MemoryBroker
from barback.payload import Payload
from barback.producer import Producer
from barback.quarantine import LONGEST_PROBATION_S, PROBATION_S, Quarantine, probation_s
from barback.worker_options import WorkerReport

from .eventually import eventually, until
from .working import working_app

LOCK_S = 600.0


class Numbered(Payload, frozen=True):
    number: int


class Stage:
    """Two jobs in two queues that show what runs beside what, and end when they are told."""

    def __init__(self) -> None:
        self.running: dict[int, asyncio.Event] = {}
        self.together: dict[int, set[int]] = {}

        async def run(payload: Numbered, ctx: Context[None]) -> None:
            self.running[payload.number] = asyncio.Event()
            for number in self.running:
                self.together.setdefault(number, set()).update(self.running)
            try:
                await self.running[payload.number].wait()
            finally:
                self.running.pop(payload.number, None)

        self.here: AnyJob = job("here", queue="here", attempts=3)(run)
        self.there: AnyJob = job("there", queue="there")(run)
        self.app = App(jobs=[self.here, self.there], services=no_services)

    def end(self, *numbers: int) -> None:
        for number in numbers:
            self.running.pop(number).set()

    def end_all(self) -> None:
        self.end(*self.running)


class Written(MemoryBroker):
    """Remembers what was written of jobs that run alone; may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.alone: list[tuple[str, bool]] = []
        self.away = 0

    async def set_alone(self, job: FetchedJob, alone: bool) -> bool:
        if self.away:
            self.away -= 1
            raise BrokerUnavailable("gone for lunch")
        self.alone.append((job.id, alone))
        return await super().set_alone(job, alone)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def broker() -> Written:
    return Written()


async def fill(broker: MemoryBroker, of: AnyJob, numbers: Sequence[int]) -> None:
    await Producer(broker).many(of, [Numbered(number=number) for number in numbers])


async def crash(broker: MemoryBroker, queue: str, count: int) -> None:
    """The next jobs of the queue are found without a lock once."""
    held = (await broker.exchange(queue, [], count, Lease("dies", 1.0))).jobs
    assert len(held) == count
    await broker.recover_stalled(queue, 0.5)
    await broker.move_clock(2.0)
    assert len((await broker.recover_stalled(queue, 0.5)).waiting) == count


async def test_a_suspect_waits_until_nothing_else_runs_and_runs_alone(stage: Stage, broker: Written) -> None:
    """P8: over all queues of the worker."""
    await fill(broker, stage.there, [10, 11])
    async with working_app(broker, stage.app, lock_s=LOCK_S, stalled_check_s=600) as beside:
        await until(lambda: len(stage.running) == 2)
        await fill(broker, stage.here, [1])
        await broker.pause("there")
        await crash_while_worked(broker, stage)
        await fill(broker, stage.there, [12])
        await broker.resume("there")
        await asyncio.sleep(0.05)
        assert set(stage.running) == {10, 11}
        stage.end(10, 11)
        await until(lambda: set(stage.running) == {1})
        await asyncio.sleep(0.05)
        assert set(stage.running) == {1}
        stage.end(1)
        await until(lambda: set(stage.running) == {12})
        stage.end_all()
        await eventually(lambda: drained(broker))
        assert await beside.stopped() == WorkerReport(completed=4, refused=1)
    assert stage.together[1] == {1}
    assert broker.alone == [("1", True)]


async def crash_while_worked(broker: Written, stage: Stage) -> None:
    """Job 1 runs, is found without a lock, its worker being thought dead, and is fetched again."""
    await until(lambda: 1 in stage.running)
    broker._queues["here"].locks.clear()
    broker._queues["here"].next_check_at = 0.0  # the worker has just looked
    await broker.recover_stalled("here", 0.0)
    assert (await broker.recover_stalled("here", 0.0)).waiting == ["1"]
    stage.end(1)
    await until(lambda: "1" in broker._queues["here"].places["active"])
    del stage.together[1]


async def drained(broker: MemoryBroker) -> bool:
    counts = [await broker.counts(queue) for queue in ("here", "there")]
    return not any(count["waiting"] or count["active"] for count in counts)


async def test_suspects_run_one_after_the_other_and_then_all_is_as_before(stage: Stage, broker: Written) -> None:
    """P8."""
    await fill(broker, stage.here, [1, 2, 3])
    await crash(broker, "here", 3)
    async with working_app(broker, stage.app, lock_s=LOCK_S, stalled_check_s=600):
        await until(lambda: stage.running)
        await fill(broker, stage.here, [4, 5])
        for _ in range(3):
            await until(lambda: len(stage.running) == 1)
            stage.end_all()
        await until(lambda: set(stage.running) == {4, 5})
        stage.end_all()
        await eventually(lambda: drained(broker))
    assert [stage.together[number] for number in (1, 2, 3)] == [{1}, {2}, {3}]
    assert (await broker.counts("here"))["completed"] == 5


async def test_a_suspect_that_lives_longer_than_its_probation_runs_beside_others_again(
    stage: Stage, broker: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P8: and its crashes are nobody's from then on."""
    monkeypatch.setattr(room, "PROBATION_S", 0.05)
    await fill(broker, stage.here, [1])
    await crash(broker, "here", 1)
    async with working_app(broker, stage.app, lock_s=LOCK_S, stalled_check_s=600):
        await until(lambda: set(stage.running) == {1})
        await fill(broker, stage.here, [2])
        await until(lambda: set(stage.running) == {1, 2})
        assert broker.alone == [("1", True), ("1", False)]
        stage.end_all()
        await fill(broker, stage.here, [3])
        await until(lambda: set(stage.running) == {3})
        stage.end_all()
        await eventually(lambda: drained(broker))


async def test_a_suspect_does_not_wait_for_ever_for_others_to_end(
    stage: Stage, broker: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P8: it runs beside them then, and that it did not run alone is known."""
    monkeypatch.setattr(room, "PROBATION_S", 0.05)
    await fill(broker, stage.there, [10])
    async with working_app(broker, stage.app, lock_s=LOCK_S, stalled_check_s=600):
        await until(lambda: stage.running)
        await fill(broker, stage.here, [1])
        await crash_while_worked(broker, stage)
        await until(lambda: set(stage.running) == {1, 10})
        await fill(broker, stage.here, [2])
        await until(lambda: set(stage.running) == {1, 2, 10})
        assert broker.alone == []
        stage.end_all()
        await eventually(lambda: drained(broker))


async def test_a_suspect_does_not_start_before_it_is_written_down_that_it_runs_alone(
    stage: Stage, broker: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P8."""
    monkeypatch.setattr(room, "RETRY_S", 0.01)
    await fill(broker, stage.here, [1])
    await crash(broker, "here", 1)
    broker.away = 3
    async with working_app(broker, stage.app, lock_s=LOCK_S, stalled_check_s=600):
        await until(lambda: stage.running)
        assert (broker.away, broker.alone) == (0, [("1", True)])
        stage.end_all()
        await eventually(lambda: drained(broker))


async def test_a_suspect_that_waits_is_handed_back_by_a_stopping_worker(stage: Stage, broker: Written) -> None:
    """P9."""
    await fill(broker, stage.there, [10])
    async with working_app(broker, stage.app, lock_s=LOCK_S, stalled_check_s=600, grace_s=0.1) as beside:
        await until(lambda: stage.running)
        await fill(broker, stage.here, [1])
        await crash_while_worked(broker, stage)
        report = await beside.stopped()
    assert report.handed_back == 2
    assert broker.alone == []
    assert [(await broker.counts(queue))["waiting"] for queue in ("here", "there")] == [1, 1]


async def test_a_job_over_the_limit_is_failed_while_others_run(stage: Stage, broker: Written) -> None:
    """P8: it is not run, so it need not be alone."""
    await fill(broker, stage.here, [1, 2])
    await crash(broker, "here", 1)
    broker._queues["here"].jobs["1"].crashes_alone = 2
    async with working_app(broker, stage.app, lock_s=LOCK_S, stalled_check_s=600):
        await until(lambda: set(stage.running) == {2})
        await eventually(lambda: failed(broker))
        stage.end_all()
        await eventually(lambda: drained(broker))
    record = await broker.get("here", "1")
    assert record is not None
    assert record.failed_reason == (
        "Its worker died or stood still while it ran, 3 times (all but the first time it ran alone): "
        "it is not run again."
    )


async def failed(broker: MemoryBroker) -> bool:
    return bool((await broker.counts("here"))["failed"])


@given(stalls=st.integers(1, 10**6))
def test_a_probation_grows_with_each_crash_and_has_an_end(stalls: int) -> None:
    assert PROBATION_S <= probation_s(stalls) <= probation_s(stalls + 1) <= LONGEST_PROBATION_S


async def test_a_fetch_that_is_on_its_way_is_waited_for(stage: Stage, broker: Written) -> None:
    """P8: what it brings starts beside the suspect otherwise."""
    await fill(broker, stage.here, [1])
    await crash(broker, "here", 1)
    quarantine = Quarantine(broker)
    [suspect] = (await broker.exchange("here", [], 1, Lease("w", LOCK_S))).jobs
    assert quarantine.admit(suspect)
    alone = asyncio.Event()

    async def run_alone() -> None:
        async with quarantine.alone(suspect):
            alone.set()

    with quarantine.fetching():
        running = asyncio.create_task(run_alone())
        await asyncio.sleep(0.02)
        assert not alone.is_set()
    await running
    assert alone.is_set()


async def test_a_suspect_that_is_cancelled_while_it_waits_fails_with_the_reason(stage: Stage, broker: Written) -> None:
    """P24."""
    await fill(broker, stage.there, [10])
    async with working_app(broker, stage.app, lock_s=0.3, stalled_check_s=600) as beside:
        await until(lambda: stage.running)
        await fill(broker, stage.here, [1])
        await crash_while_worked(broker, stage)
        await broker.cancel("here", "1", "wrong city")
        await broker.move_clock(0.01)
        await eventually(lambda: failed(broker))
        stage.end_all()
        report = await beside.stopped()
    assert report.failed == 1
    record = await broker.get("here", "1")
    assert record is not None
    assert record.failed_reason == "Cancelled: wrong city"


async def test_a_suspect_whose_lock_is_lost_before_it_starts_is_not_started(stage: Stage, broker: Written) -> None:
    """P10."""
    await fill(broker, stage.here, [1])
    await crash(broker, "here", 1)
    quarantine = Quarantine(broker)
    [suspect] = (await broker.exchange("here", [], 1, Lease("w", LOCK_S))).jobs
    assert quarantine.admit(suspect)
    suspect.token = "somebody else's"
    with pytest.raises(asyncio.CancelledError):
        async with quarantine.alone(suspect):
            pytest.fail("it ran")
