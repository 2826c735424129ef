"""The Broker Protocol in dictionaries, with a clock moved by hand."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from barback.answers import Answer, State
from barback.broker import (
    LISTED_STATES,
    AddedFlow,
    Exchange,
    FetchedJob,
    JobRecord,
    Lease,
    ListedState,
    Loss,
    NewFlow,
    NewJob,
    QueueLimits,
    Recovered,
    Renewal,
    Settlement,
    StoredSchedule,
)
from barback.memory import acting, adding, scheduling, stalled, working
from barback.memory.board import MemoryBoard
from barback.memory.queues import JobKey, Queues, moment, record

NEW_YEAR_2026 = 1_767_225_600.0
"""Where its clock starts if nothing else is said: 2026-01-01 00:00 UTC."""


class MemoryBroker:
    """A `Broker` for tests: nothing is stored, time passes only by `move_clock`.

    `now`: where its clock starts, epoch seconds. It answers as `BullMQBroker` does; `tests/contract/` holds both to it.

    >>> import asyncio
    >>> from barback.broker import NewJob
    >>> asyncio.run(MemoryBroker().add([NewJob("mail", "send", '{"to": 1}')]))
    [Created(job_id='1')]
    """

    def __init__(self, now: float = NEW_YEAR_2026) -> None:
        self._queues = Queues(moment(now))
        self._changed = asyncio.Event()
        self.board = MemoryBoard(self.now)

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close; what was added is still there."""

    async def check(self, queues: Sequence[str]) -> None:
        """Nothing to refuse."""

    def now(self) -> float:
        return self._queues.now

    async def move_clock(self, by_s: float) -> None:
        """Let `by_s` seconds pass, and wake who waits for jobs.

        :raises ValueError: time does not run backwards.
        """
        if by_s < 0:
            raise ValueError(f"move_clock: expected 0 s or more, got {by_s!r}.")
        self._queues.now = moment(self._queues.now + by_s)
        self._wake()
        await asyncio.sleep(0)  # whoever was woken comes first

    # ── adding ──────────────────────────────────────────────────────────────────────────────────────

    async def add(self, jobs: Sequence[NewJob]) -> list[Answer]:
        answers = [adding.add_job(self._queues, job) for job in jobs]
        self._wake()
        return answers

    async def add_flow(self, flow: NewFlow) -> AddedFlow:
        added = adding.add_flow(self._queues, flow)
        self._wake()
        return added

    # ── working ─────────────────────────────────────────────────────────────────────────────────────

    async def exchange(self, queue: str, settlements: Sequence[Settlement], fetch: int, lease: Lease) -> Exchange:
        settled = [working.settle(self._queues, settlement) for settlement in settlements]
        fetched = working.fetch(self._queues, self._queues[queue], fetch, lease)
        if settlements:
            self._wake()
        return replace(fetched, settled=settled)

    async def wait_for_jobs(self, queue: str, until: float | None) -> None:
        """Return when there is a job, or at `until` by this broker's clock; not before somebody does something."""
        while not (self._is_ready(queue) or (until is not None and self.now() >= until)):
            await self._changed.wait()

    def extend_locks(self, queue: str, jobs: Sequence[FetchedJob], lock_s: float) -> Renewal:
        return stalled.extend_locks(self._queues[queue], jobs, lock_s, self.now())

    async def recover_stalled(self, queue: str, every_s: float) -> Recovered:
        recovered = stalled.recover_stalled(self._queues[queue], every_s, self.now())
        self._wake()
        return recovered

    async def set_alone(self, job: FetchedJob, alone: bool) -> bool:
        return stalled.set_alone(self._queues[job.queue], job, alone, self.now())

    async def cancel(self, queue: str, job_id: str, reason: str) -> None:
        stalled.cancel(self._queues[queue], job_id, reason, self.now())

    async def pulse(self, queues: Sequence[str]) -> Loss:
        return Loss()

    async def repair(self, queue: str) -> list[str]:
        """None: nothing else writes here, so no job is ever in no place."""
        return []

    async def set_progress(self, queue: str, job_id: str, progress: str) -> None:
        job = self._queues.find(JobKey(queue, job_id))
        if job is not None:
            job.progress = progress

    async def add_log(self, queue: str, job_id: str, line: str, keep: int) -> None:
        job = self._queues.find(JobKey(queue, job_id))
        if job is not None:
            job.logs = [*job.logs, line][-keep:]

    async def logs(self, queue: str, job_id: str) -> list[str]:
        job = self._queues.find(JobKey(queue, job_id))
        return list(job.logs) if job is not None else []

    async def children_results(self, queue: str, job_id: str) -> Mapping[str, str]:
        job = self._queues.find(JobKey(queue, job_id))
        return {str(child): result for child, result in job.results.items()} if job is not None else {}

    # ── looking and acting ──────────────────────────────────────────────────────────────────────────

    async def counts(self, queue: str) -> dict[ListedState, int]:
        places = self._queues[queue].places
        return {state: len(places[state]) for state in LISTED_STATES}

    async def state(self, queue: str, job_id: str) -> State:
        return self._queues[queue].state(job_id)

    async def get(self, queue: str, job_id: str) -> JobRecord | None:
        job = self._queues.find(JobKey(queue, job_id))
        return record(self._queues[queue], job) if job is not None else None

    async def list_jobs(self, queue: str, state: ListedState, start: int, count: int) -> list[JobRecord]:
        held = self._queues[queue]
        job_ids = list(held.places[state])[start : start + max(0, count)]
        return [record(held, held.jobs[job_id]) for job_id in job_ids]

    async def remove(self, queue: str, job_id: str) -> bool:
        removed = acting.remove(self._queues, JobKey(queue, job_id))
        self._wake()
        return removed

    async def retry(self, queue: str, job_id: str) -> None:
        acting.retry(self._queues, JobKey(queue, job_id))
        self._wake()

    async def promote(self, queue: str, job_id: str) -> None:
        acting.promote(self._queues, JobKey(queue, job_id))
        self._wake()

    async def pause(self, queue: str) -> None:
        self._queues[queue].paused = True

    async def resume(self, queue: str) -> None:
        self._queues[queue].paused = False
        self._wake()

    async def is_paused(self, queue: str) -> bool:
        return self._queues[queue].paused

    async def set_limits(self, queue: str, limits: QueueLimits) -> None:
        self._queues[queue].limits = limits
        self._wake()

    async def schedules(self, queue: str, *, until: float | None = None) -> list[StoredSchedule]:
        stored = self._queues[queue].schedules.values()
        wanted = [one for one in stored if until is None or one.next_at <= until]
        return sorted(wanted, key=lambda schedule: schedule.next_at)

    async def schedule(self, queue: str, schedule_id: str) -> StoredSchedule | None:
        return self._queues[queue].schedules.get(schedule_id)

    async def put_schedule(self, queue: str, schedule: StoredSchedule) -> None:
        scheduling.put(self._queues, self._queues[queue], schedule)
        self._wake()

    async def advance_schedule(self, queue: str, schedule: StoredSchedule, next_at: float) -> bool:
        advanced = scheduling.advance(self._queues, self._queues[queue], schedule, next_at)
        self._wake()
        return advanced

    async def remove_schedule(self, queue: str, schedule_id: str) -> bool:
        return scheduling.remove(self._queues[queue], schedule_id)

    async def repeatables(self, queue: str) -> list[StoredSchedule]:
        return []

    async def continue_repeatable(self, job: FetchedJob) -> float | None:
        return None

    async def notes(self, queue: str, *names: str) -> dict[str, str]:
        return {name: text for name, text in self._queues[queue].notes.items() if not names or name in names}

    async def set_notes(
        self, queue: str, notes: Mapping[str, str | None], *, expected: Mapping[str, str | None] | None = None
    ) -> bool:
        return scheduling.set_notes(self._queues[queue], notes, expected or {})

    def _is_ready(self, queue: str) -> bool:
        held = self._queues[queue]
        if held.blocked() or held.limited_until(self.now()) is not None:
            return False
        due_at = held.next_due_at()
        waiting = len(held.places["waiting"]) + len(held.places["prioritized"])
        return waiting > 0 or (due_at is not None and due_at <= self.now())

    def _wake(self) -> None:
        """Everybody looks again; who finds nothing waits for the next change."""
        self._changed.set()
        self._changed = asyncio.Event()
