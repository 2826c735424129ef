"""What lies beside the jobs on the screenshots: workers, their counts, schedules and what people did."""

import json
import math
import random
from collections import Counter
from dataclasses import replace

from barback import no_services
from barback.app import App
from barback.board import Counted
from barback.broker import Lease
from barback.bullmq import BullMQBroker
from barback.control import schedules
from barback.control.audit import Action, record
from barback.job import Context, job
from barback.payload import NoPayload
from barback.schedule import Schedule
from barback.schedules.marks import RUN
from barback.schedules.reconciler import Reconciler
from barback.telemetry.beat import KIND as WORKER
from barback.telemetry.beat import RunningJob, WorkerBeat
from barback.telemetry.histogram import bin_of
from barback.telemetry.published import KIND as APP
from barback.telemetry.published import PublishedJob, PublishedSchedule, publish

CHANCE = random.Random(11)  # noqa: S311 — the same pictures each time
KEPT_S = 3600.0
RELEASE = "2026.11.3"
JOBS_A_MINUTE = {"cafe-processing": 42, "cron-jobs": 4, "notifications": 9}
TOOK_S = {"cafe-processing": (1.4, 0.9), "cron-jobs": (0.3, 2.2), "notifications": (0.2, 0.12)}
"""Typical seconds of waiting and running."""


@job("update-cafe-stats", queue="cron-jobs")
async def update_cafe_stats(payload: NoPayload, ctx: Context[None]) -> None: ...


SCHEDULES = (
    Schedule("city-statistics", update_cafe_stats, "15 * * * *", "Europe/Berlin"),
    Schedule("nightly-cleanup", update_cafe_stats, "0 3 * * *", "Europe/Berlin"),
    Schedule("opening-hours", update_cafe_stats, every_s=900.0),
    Schedule("weekly-report", update_cafe_stats, "30 7 * * 1", "Europe/Berlin", overlap="skip"),
)


async def fill_surroundings(broker: BullMQBroker) -> None:
    """An hour of counts, two workers, four schedules, a few actions."""
    now = broker.now()
    await _count(broker, now)
    await _work(broker, now)
    await _schedule(broker, now)
    for action in (
        Action("mara", "retry", "cafe-processing", "error:timeout", 14),
        Action("otto", "pause-schedule", "cron-jobs", "weekly-report"),
        Action("mara", "remove", "notifications", "name:send-mail age:>7d", 312, 2),
        Action("mara", "pause", "notifications"),
        Action("otto", "run-schedule", "cron-jobs", "city-statistics"),
    ):
        await record(broker.board, action)


async def _count(broker: BullMQBroker, now: float) -> None:
    counted = [
        Counted(queue, step_s, now - ago * step_s, _minute(queue, ago, step_s), 8 * 86_400.0)
        for step_s, points in ((60, 60), (3600, 168))
        for ago in range(points)
        for queue in JOBS_A_MINUTE
    ]
    await broker.board.count(counted, "sample", 1)


def _minute(queue: str, ago: int, step_s: int) -> dict[str, int]:
    busy = 1 + 0.55 * math.sin(ago / 7 + len(queue)) + CHANCE.uniform(-0.2, 0.2)
    count = round(JOBS_A_MINUTE[queue] * busy * step_s / 60)
    failed = sum(CHANCE.random() < 0.03 for _ in range(min(count, 200)))
    wait_s, run_s = TOOK_S[queue]
    counts = Counter({"completed": count - failed, "failed": failed, "retried": failed})
    for _ in range(min(count, 200)):
        counts[f"wait:{bin_of(wait_s * busy * CHANCE.lognormvariate(0, 0.7))}"] += 1
        counts[f"run:{bin_of(run_s * CHANCE.lognormvariate(0, 0.6))}"] += 1
    return {name: n for name, n in counts.items() if n}


async def _work(broker: BullMQBroker, now: float) -> None:
    active = await broker.list_jobs("cafe-processing", "active", 0, 16)
    running = tuple(RunningJob(one.queue, one.id, one.name, one.started_at or now) for one in active)
    for n, (host, some) in enumerate((("cafes-7f9c", running[:14]), ("cafes-b21d", running[14:]))):
        beat = WorkerBeat(
            name=host, host=host, pid=7 + n, version="1.0.0", release=RELEASE, app="cafes",
            started_at=now - 93_000 + n * 4000, at=now, queues={"cafe-processing": 16, "cron-jobs": 2},
            running=some, jobs_running=len(some), memory_mb=148.4 + 31 * n, loop_lag_s=0.004 + 0.02 * n,
        )  # fmt: skip
        await broker.board.put_document(WORKER, host, beat.encode(), KEPT_S)


async def _schedule(broker: BullMQBroker, now: float) -> None:
    app = App([update_cafe_stats], no_services, SCHEDULES, name="cafes")
    await Reconciler(broker, "cafes", RELEASE, ["cron-jobs"], SCHEDULES).apply()
    declared = publish(app, RELEASE, now)
    names = (("cafe-processing", "process-cafe"), ("notifications", "send-mail"))
    others = tuple(PublishedJob(name, queue, None) for queue, name in names)
    told = replace(declared, jobs=(*declared.jobs, *others), schedules=tuple(map(_published, declared.schedules)))
    await broker.board.put_document(APP, "cafes", told.encode(), KEPT_S)
    for n, (one, outcome) in enumerate(zip(SCHEDULES, ("completed", "completed", "failed", "completed"), strict=True)):
        began = now - 400 - 2000 * n
        reason = "StoreUnavailable: the database does not answer" if outcome == "failed" else ""
        run = {
            "job_id": f"repeat:{one.id}:1",
            "outcome": outcome,
            "started_at": began,
            "ended_at": began + 1.3 * (n + 1),
        }
        await broker.set_notes("cron-jobs", {RUN + one.id: json.dumps(run | {"reason": reason})})
    await schedules.run_now(broker, "cron-jobs", "city-statistics")
    await broker.exchange("cron-jobs", [], 1, Lease("cafes-7f9c", 3600.0))
    await schedules.pause(broker, "cron-jobs", "weekly-report")


def _published(one: PublishedSchedule) -> PublishedSchedule:
    """As a newer release of which no worker runs yet declares it."""
    return replace(one, every_s=600.0) if one.id == "opening-hours" else one
