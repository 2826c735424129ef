"""Locks are kept by a thread of its own, and a job whose lock is lost is told."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

from barback.broker import FetchedJob, Renewal
from barback.errors import BrokerUnavailable
from barback.locks import LockKeeper
from barback.memory import MemoryBroker
from barback.options import JobOptions

from .eventually import until

LOCK_S = 0.06


class Renewals(MemoryBroker):
    """Remembers who was renewed, from which thread; `answer` says whose lock is lost."""

    def __init__(self, answer: Callable[[Sequence[FetchedJob]], Sequence[FetchedJob]] = lambda jobs: []) -> None:
        super().__init__()
        self.answer = answer
        self.renewed: list[list[str]] = []
        self.threads: set[int] = set()

    def extend_locks(self, queue: str, jobs: Sequence[FetchedJob], lock_s: float) -> Renewal:
        self.renewed.append([job.id for job in jobs])
        self.threads.add(threading.get_ident())
        return Renewal(self.answer(jobs))


def ignore(*_: object) -> None: ...


def held(job_id: str, token: str = "token") -> FetchedJob:
    return FetchedJob("queue", job_id, token, "name", "{}", JobOptions())


async def test_a_blocked_event_loop_does_not_stop_renewal() -> None:
    """B11, P10."""
    broker = Renewals()
    keeper = LockKeeper(broker, LOCK_S)
    keeper.hold(held("1"))
    keeper.start(ignore, ignore)
    time.sleep(LOCK_S * 2)  # noqa: ASYNC251 — the handler that blocks
    keeper.stop()
    assert len(broker.renewed) >= 3
    assert threading.get_ident() not in broker.threads


async def test_a_released_job_is_renewed_no_more() -> None:
    broker = Renewals()
    keeper = LockKeeper(broker, LOCK_S)
    first, second = held("1", "a"), held("2", "b")
    keeper.hold(first)
    keeper.hold(second)
    keeper.release(first)
    keeper.start(ignore, ignore)
    await until(lambda: broker.renewed)
    keeper.stop()
    assert all(ids == ["2"] for ids in broker.renewed)


async def test_a_lost_lock_is_told_once() -> None:
    """P10."""
    lost: list[str] = []
    broker = Renewals(list)
    keeper = LockKeeper(broker, LOCK_S)
    keeper.hold(held("1"))
    keeper.start(lambda job: lost.append(job.id), ignore)
    await until(lambda: lost)
    await asyncio.sleep(LOCK_S)
    keeper.stop()
    assert lost == ["1"]


async def test_a_job_settled_while_its_lock_was_renewed_does_not_cost_the_next_one_its_lock() -> None:
    """BullMQ locks the next job with the finished one's token: the old job's lost lock is not the new one's."""
    lost: list[str] = []
    old, new = held("old"), held("new")

    def settled_meanwhile(jobs: Sequence[FetchedJob]) -> list[FetchedJob]:
        if jobs[0] is not old:
            return []
        keeper.release(old)
        keeper.hold(new)
        return [old]

    broker = Renewals(settled_meanwhile)
    keeper = LockKeeper(broker, LOCK_S)
    keeper.hold(old)
    keeper.start(lambda job: lost.append(job.id), ignore)
    await until(lambda: ["new"] in broker.renewed)
    keeper.stop()
    assert lost == []


async def test_renewal_goes_on_after_an_outage() -> None:
    outages = iter([True, True, False])

    def refuse(jobs: Sequence[FetchedJob]) -> list[FetchedJob]:
        if next(outages, False):
            raise BrokerUnavailable("gone")
        return []

    broker = Renewals(refuse)
    keeper = LockKeeper(broker, LOCK_S)
    keeper.hold(held("1"))
    keeper.start(ignore, ignore)
    await until(lambda: len(broker.renewed) >= 4)
    keeper.stop()


async def test_nothing_ends_the_renewal() -> None:
    """A bug, or a loop that is closed already: the other locks must be kept."""
    calls: list[int] = []

    def broken(jobs: Sequence[FetchedJob]) -> list[FetchedJob]:
        calls.append(len(jobs))
        raise RuntimeError("broken")

    keeper = LockKeeper(Renewals(broken), LOCK_S)
    keeper.hold(held("1"))
    keeper.start(ignore, ignore)
    await until(lambda: len(calls) >= 3)
    keeper.stop()


async def test_a_failed_renewal_is_tried_again_long_before_the_lock_runs_out() -> None:
    failed: list[float] = []

    def fail_once(jobs: Sequence[FetchedJob]) -> list[FetchedJob]:
        failed.append(time.monotonic())
        if len(failed) == 1:
            raise BrokerUnavailable("gone")
        return []

    lock_s = 1.2
    keeper = LockKeeper(Renewals(fail_once), lock_s)
    keeper.hold(held("1"))
    keeper.start(ignore, ignore)
    await until(lambda: len(failed) >= 2)
    keeper.stop()
    assert failed[1] - failed[0] < lock_s / 4
