"""The run of a slot's job: whether it shall be, and what became of it, written down for people to look at.

A worker of another program (Node's) runs every slot's job, and writes nothing down.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass

import structlog

from barback.broker import Broker, Completed, Failed, FetchedJob, HandedBack, Outcome
from barback.errors import BrokerUnavailable
from barback.schedules.marks import HAND, RUN, Mark, is_skipped, read_mark, read_notes
from barback.schedules.ticker import Ticker
from barback.slots import slot_of

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.schedules")

ASK_AGAIN_S = 0.5
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


@dataclass(frozen=True, slots=True)
class HandRun:
    """The last time that a person had the job of a schedule run."""

    job_id: str
    asked_at: float


def read_runs(notes: Mapping[str, str]) -> dict[str, Run]:
    """By schedule id."""
    return read_notes(notes, RUN, Run)


def read_hand_runs(notes: Mapping[str, str]) -> dict[str, HandRun]:
    """By schedule id."""
    return read_notes(notes, HAND, HandRun)


def hand_run_note(schedule_id: str, run: HandRun) -> dict[str, str]:
    """The note that says so."""
    return {HAND + schedule_id: json.dumps(asdict(run))}


class Runs:
    """Watches over the runs of schedules' jobs in one worker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def watch(self, job: FetchedJob, run: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Run it, unless its slot is to be left out; and write down what became of it."""
        started_at = self._broker.now()
        skipped = await self._begin(job)
        outcome = await run() if skipped is None else Completed(json.dumps({"skipped": skipped}))
        if not isinstance(outcome, HandedBack):
            word = "skipped" if skipped is not None else _word(outcome)
            reason = skipped or getattr(outcome, "reason", "")
            # Whatever becomes of this, the job has ended so.
            with contextlib.suppress(asyncio.CancelledError):
                await self._write_down(job, Run(job.id, word, started_at, self._broker.now(), reason))
        return outcome

    async def _begin(self, job: FetchedJob) -> str | None:
        """Why it shall not run; None: it shall. While the broker is away it waits: run then, it could end its chain."""
        while True:
            try:
                return await self._why_skipped(job)
            except BrokerUnavailable:
                await asyncio.sleep(ASK_AGAIN_S)
            except Exception as error:  # noqa: BLE001 — whatever lies there, its job shall run
                log.error("schedule not asked", queue=job.queue, job_id=job.id, error=str(error))
                return None

    async def _why_skipped(self, job: FetchedJob) -> str | None:
        mark = await read_mark(self._broker, job.queue, job.schedule_id or "")
        if mark is None:
            # Perhaps it is no schedule's, but a repeatable's, which would end here.
            await self._broker.continue_repeatable(job)
            return None
        if job.starts > 1:
            # What was begun is ended.
            return None
        return await self._missed(job, mark) or await self._overlapping(job, mark)

    async def _missed(self, job: FetchedJob, mark: Mark) -> str | None:
        """A worker that comes back fetches the due job, perhaps before anybody ticked."""
        if mark.missed != "skip":
            return None
        schedule = await self._broker.schedule(job.queue, job.schedule_id or "")
        if schedule is not None and schedule.job_id == job.id:
            await Ticker(self._broker, [job.queue]).advance(job.queue, schedule)
        skipped = await is_skipped(self._broker, job.queue, job.schedule_id or "", slot_of(job.id))
        return "its slot was missed" if skipped else None

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
