"""The run of a slot's job: whether it shall be, and what became of it, written down for people to look at.

A worker of another program (Node's) runs every slot's job, and writes nothing down.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import structlog

from barback.broker import Broker, Completed, Failed, FetchedJob, HandedBack, Outcome
from barback.errors import BarbackError
from barback.executor import Attempt
from barback.running import Execute
from barback.schedules.marks import RUN, SKIP, Mark, read_marks, read_notes
from barback.schedules.ticker import Ticker, slot_of

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.schedules")

MOST_ACTIVE = 1_000
"""Running jobs looked through for an earlier one of the same schedule."""


@dataclass(frozen=True, slots=True)
class Run:
    """The last run of a schedule. `outcome`: completed, failed, retry, or skipped. Moments in epoch seconds."""

    job_id: str
    outcome: str
    started_at: float
    ended_at: float
    reason: str = ""


def read_runs(notes: Mapping[str, str]) -> dict[str, Run]:
    """By schedule id."""
    return read_notes(notes, RUN, Run)


class Runs:
    """Watches over the runs of schedules' jobs in one worker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def watch(self, execute: Execute, job: FetchedJob, attempt: Attempt) -> Outcome:
        """Run it, unless its slot is to be left out; and write down what became of it."""
        started_at = self._broker.now()
        skipped = await self._why_skipped(job)
        outcome = await execute(job, attempt) if skipped is None else Completed(json.dumps({"skipped": skipped}))
        if not isinstance(outcome, HandedBack):
            word = "skipped" if skipped is not None else _word(outcome)
            reason = skipped or getattr(outcome, "reason", "")
            # Whatever becomes of this, the job has ended so.
            with contextlib.suppress(asyncio.CancelledError):
                await self._write_down(job, Run(job.id, word, started_at, self._broker.now(), reason))
        return outcome

    async def _why_skipped(self, job: FetchedJob) -> str | None:
        try:
            mark = read_marks(await self._broker.notes(job.queue)).get(job.schedule_id or "")
            if mark is None or job.starts > 1:
                # What was begun is ended.
                return None
            return await self._missed(job, mark) or await self._overlapping(job, mark)
        except BarbackError as error:
            log.warning("schedule not asked", queue=job.queue, job_id=job.id, error=str(error))
            return None

    async def _missed(self, job: FetchedJob, mark: Mark) -> str | None:
        """A worker that comes back fetches the due job, perhaps before anybody ticked."""
        if mark.missed != "skip":
            return None
        for schedule in await self._broker.schedules(job.queue):
            if schedule.id == job.schedule_id and schedule.next_at == slot_of(job.id):
                await Ticker(self._broker, [job.queue]).advance(job.queue, schedule)
        noted = (await self._broker.notes(job.queue)).get(f"{SKIP}{job.schedule_id}")
        return "its slot was missed" if noted == str(slot_of(job.id)) else None

    async def _overlapping(self, job: FetchedJob, mark: Mark) -> str | None:
        if mark.overlap != "skip":
            return None
        active = await self._broker.list_jobs(job.queue, "active", 0, MOST_ACTIVE)
        earlier = [one.id for one in active if one.schedule_id == job.schedule_id and slot_of(one.id) < slot_of(job.id)]
        return f"{earlier[0]} still runs" if earlier else None

    async def _write_down(self, job: FetchedJob, run: Run) -> None:
        try:
            await self._broker.set_notes(job.queue, {f"{RUN}{job.schedule_id}": json.dumps(asdict(run))})
        except Exception as error:  # noqa: BLE001 — see watch
            log.warning("run of a schedule not written down", queue=job.queue, job_id=job.id, error=str(error))


def _word(outcome: Outcome) -> str:
    match outcome:
        case Completed():
            return "completed"
        case Failed():
            return "failed"
        case _:
            return "retry"
