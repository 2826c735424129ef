"""The words the contract tests are written in: one queue of one broker, and its time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from barback.answers import Answer, Created, State
from barback.broker import (
    Broker,
    Completed,
    Exchange,
    Failed,
    FetchedJob,
    HandedBack,
    JobRecord,
    Lease,
    ListedState,
    NewJob,
    Outcome,
    Settled,
    Settlement,
)
from barback.memory import MemoryBroker
from barback.options import JobOptions, Retention

ValueT = TypeVar("ValueT")

KEEP_ALL = Retention()
LEASE = Lease("tester", lock_s=30.0)
SHORT = Lease("mayfly", lock_s=0.03)
STEP_S = 0.01


async def let_pass(broker: Broker, by_s: float) -> None:
    """Time passes: by hand in memory, by itself elsewhere."""
    if isinstance(broker, MemoryBroker):
        await broker.move_clock(by_s)
    else:
        await asyncio.sleep(by_s)


@dataclass(frozen=True, slots=True)
class QueueUnderTest:
    """A queue that no other test uses."""

    broker: Broker
    name: str
    lease: Lease = field(default=LEASE)

    # ── adding ──────────────────────────────────────────────────────────────────────────────────────

    def new(self, options: JobOptions | None = None, *, data: str = "{}", name: str = "any") -> NewJob:
        return NewJob(self.name, name, data, options or JobOptions())

    async def add(self, options: JobOptions | None = None, *, data: str = "{}", name: str = "any") -> Answer:
        return (await self.broker.add([self.new(options, data=data, name=name)]))[0]

    async def create(self, options: JobOptions | None = None, *, data: str = "{}", name: str = "any") -> str:
        """Add a job that must not be swallowed; its id."""
        answer = await self.add(options, data=data, name=name)
        assert isinstance(answer, Created), answer
        return answer.job_id

    # ── working ─────────────────────────────────────────────────────────────────────────────────────

    async def exchange(self, count: int = 1, lease: Lease | None = None) -> Exchange:
        return await self.broker.exchange(self.name, [], count, lease or self.lease)

    async def fetch(self, count: int = 1, lease: Lease | None = None) -> list[FetchedJob]:
        return list((await self.exchange(count, lease)).jobs)

    async def fetch_one(self, lease: Lease | None = None) -> FetchedJob:
        jobs = await self.fetch(1, lease)
        assert len(jobs) == 1, f"expected a job to be ready, got {await self.counts()}"
        return jobs[0]

    async def settle(self, job: FetchedJob, outcome: Outcome) -> Settled:
        return (await self.broker.exchange(self.name, [Settlement(job, outcome)], 0, self.lease)).settled[0]

    async def fetch_and_hand_back(self) -> bool:
        """Whether a job was ready."""
        jobs = await self.fetch(1)
        for job in jobs:
            await self.settle(job, HandedBack())
        return bool(jobs)

    async def work_one(self, outcome: Outcome | None = None) -> FetchedJob:
        """Fetch the next job and write what became of it (None: completed)."""
        job = await self.fetch_one()
        assert await self.settle(job, outcome or Completed()) is Settled.WRITTEN
        return job

    async def run_order(self) -> list[str]:
        """Work all that is ready; the ids in the order in which they were started."""
        ids: list[str] = []
        while jobs := await self.fetch(1):
            ids.append(jobs[0].id)
            await self.settle(jobs[0], Completed())
        return ids

    async def crash(self, *, alone: bool = False) -> FetchedJob:
        """Start the next job (a new one, if none waits), and let its worker die, `alone` with it; it is put back."""
        if not (await self.counts()).get("waiting"):
            await self.create()
        job = await self.fetch_one()
        if alone:
            assert await self.broker.set_alone(job, True)
        self.broker.extend_locks(self.name, [job], SHORT.lock_s)
        assert await self.recover(job.id)
        return job

    async def recover(self, job_id: str) -> bool:
        """Look for stalled jobs until this one is put back."""

        async def found() -> bool:
            return job_id in (await self.broker.recover_stalled(self.name, 0.001)).waiting

        return await self.eventually(found)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────

    async def get(self, job_id: str) -> JobRecord:
        record = await self.broker.get(self.name, job_id)
        assert record is not None
        return record

    async def state(self, job_id: str) -> State:
        return await self.broker.state(self.name, job_id)

    async def ids(self, state: ListedState) -> list[str]:
        return [record.id for record in await self.broker.list_jobs(self.name, state, 0, 1000)]

    async def counts(self) -> dict[ListedState, int]:
        """Without the states no job is in."""
        return {state: count for state, count in (await self.broker.counts(self.name)).items() if count}

    # ── time ────────────────────────────────────────────────────────────────────────────────────────

    async def let_pass(self, by_s: float) -> None:
        await let_pass(self.broker, by_s)

    async def eventually(self, probe: Callable[[], Awaitable[ValueT]], within_s: float = 2.0) -> ValueT:
        """Ask again and again until the answer is true; the answer."""
        deadline = self.broker.now() + within_s
        while not (answer := await probe()):
            assert self.broker.now() < deadline, f"not within {within_s} s; last answer: {answer!r}"
            await self.let_pass(STEP_S)
        return answer

    async def throughout(self, for_s: float, probe: Callable[[], Awaitable[ValueT]]) -> list[ValueT]:
        """Ask again and again for that long; all answers."""
        answers: list[ValueT] = []
        end = self.broker.now() + for_s
        while self.broker.now() < end:
            answers.append(await probe())
            await self.let_pass(STEP_S)
        return answers


FAILED = Failed("no milk", "Traceback: no milk")
