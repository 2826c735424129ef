"""What needs a person, and in which order."""

from dataclasses import replace

import pytest

from barback.broker import LISTED_STATES, StoredSchedule
from barback.control.attention import SHOWN_EACH, Situation, attention
from barback.control.metrics import Point
from barback.control.schedules import ScheduleView
from barback.cron import Timing
from barback.inspector import Glance, Server
from barback.schedules.marks import Mark
from barback.schedules.runs import Run
from barback.telemetry.beat import WorkerBeat
from barback.telemetry.published import PublishedApp, PublishedJob

NOW = 1_800_000_000.0
SOUND = Server("Valkey", "9.1.2", 10, 100, "noeviction", True, False, NOW, 3, 0.0)
WELL = Situation(NOW, SOUND)
MAIL = Glance("mail", False, dict.fromkeys(LISTED_STATES, 0))
WORKER = WorkerBeat(
    name="w", host="bar-1", pid=1, version="1", release="1", app="shop", started_at=NOW, at=NOW, queues={"mail": 4}
)
SHOP = PublishedApp("shop", "1", NOW, (PublishedJob("send", "mail", None),))
HOURLY = ScheduleView("mail", "hourly", "app", StoredSchedule("hourly", "send", Timing("0 * * * *"), "{}", NOW))


def waiting(count: int, **other: object) -> Glance:
    return replace(MAIL, counts={**MAIL.counts, "waiting": count}, **other)


def causes(situation: Situation) -> list[str]:
    return [notice.cause for notice in attention(situation)]


def test_when_all_is_well_nothing_is_said() -> None:
    hour = Point(NOW, completed=1000, failed=9)
    sound = replace(
        WELL, queues=[waiting(9, next_name="send")], workers=[WORKER], apps=[SHOP], schedules=[HOURLY],
        last_hour={"mail": hour},
    )  # fmt: skip
    assert attention(sound) == []


# ── workers ─────────────────────────────────────────────────────────────────────────────────────────────


def test_jobs_that_wait_where_nobody_works_are_told_of() -> None:
    [notice] = attention(replace(WELL, queues=[waiting(312)]))
    assert (notice.cause, notice.queue) == ("no-worker", "mail")
    assert notice.sentence == "No live worker works queue 'mail', where 312 jobs wait. Start one."


@pytest.mark.parametrize(
    "queue",
    [MAIL, waiting(1, paused=True), waiting(1, tended=True), replace(MAIL, counts={**MAIL.counts, "delayed": 4})],
    ids=["empty", "paused", "worked by Node", "nothing due"],
)
def test_a_queue_where_nothing_has_to_run_needs_no_worker(queue: Glance) -> None:
    assert attention(replace(WELL, queues=[queue])) == []


def test_a_name_that_no_worker_there_knows_is_told_of() -> None:
    known = replace(WELL, queues=[waiting(1, next_name="sned")], workers=[WORKER], apps=[SHOP])
    [notice] = attention(known)
    assert notice.cause == "unknown-name"
    assert "'sned', which no live worker knows" in notice.sentence
    # Somebody else may know it: what they know is not told.
    assert causes(replace(known, apps=[])) == []
    assert causes(replace(known, apps=[replace(SHOP, name="other")])) == []


# ── schedules ───────────────────────────────────────────────────────────────────────────────────────────


def test_schedules_that_are_late_or_failed_are_told_of() -> None:
    failed = replace(HOURLY, last_run=Run("x", "failed", NOW, NOW))
    assert causes(replace(WELL, schedules=[failed, replace(HOURLY, late_s=90.0)])) == [
        "schedule-late", "schedule-failed"
    ]  # fmt: skip
    [notice] = attention(replace(WELL, schedules=[replace(HOURLY, late_s=90.0)]))
    assert notice.sentence == "Schedule 'hourly' has been due for 90 s, and no worker makes its jobs."


def test_a_paused_one_and_a_repeatable_are_not_late() -> None:
    paused = replace(HOURLY, late_s=90.0, mark=Mark("shop", "x", paused=True))
    assert attention(replace(WELL, schedules=[paused, replace(HOURLY, late_s=90.0, owner="repeatable")])) == []


# ── the server ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("server", "cause", "told"),
    [
        (replace(SOUND, eviction="allkeys-lru"), "evicts", "maxmemory-policy allkeys-lru"),
        (replace(SOUND, used_bytes=91), "memory", "uses 91% of the memory"),
        (replace(SOUND, append_only=False), "no-persistence", "writes nothing to disk"),
        (replace(SOUND, ahead_s=-2.5), "clock", "2.5 s behind that of Valkey"),
    ],
)
def test_a_server_that_endangers_jobs_is_told_of(server: Server, cause: str, told: str) -> None:
    [notice] = attention(replace(WELL, server=server))
    assert notice.cause == cause
    assert told in notice.sentence


def test_what_a_server_does_not_say_is_no_fault() -> None:
    silent = Server("Redis", None, None, None, None, None, None, None, None, 0.9)
    assert attention(replace(WELL, server=silent)) == []


@pytest.mark.parametrize("at", [NOW + 2, NOW - 30])
def test_a_workers_clock_that_differs_is_told_of(at: float) -> None:
    [notice] = attention(replace(WELL, workers=[replace(WORKER, at=at)]))
    assert (notice.cause, "bar-1" in notice.sentence) == ("clock", True)


# ── failures, and all of it ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("completed", "failed", "told"), [(30, 10, True), (0, 9, False), (1000, 200, False)])
def test_many_failures_are_told_of_few_or_rare_ones_not(completed: int, failed: int, told: bool) -> None:
    hour = {"mail": Point(NOW, completed=completed, failed=failed)}
    assert causes(replace(WELL, last_hour=hour)) == (["failures"] if told else [])


def test_producers_whose_contract_is_another_than_the_workers_are_told_of() -> None:
    """P29."""
    send = replace(SHOP.jobs[0], schema_hash="new", former_names=("post",))
    hour = Point(NOW, other_schemas={("old", "send"): 1, ("new", "post"): 1200, ("new", "send"): 3, ("old", "gone"): 4})
    situation = replace(WELL, apps=[replace(SHOP, jobs=(send,))], last_hour={"mail": hour})
    assert [notice.sentence for notice in attention(situation)] == [
        "1 job 'send' of the last hour came from a TypeScript client that knows schema old; workers know schema new. "
        "Run `barback typescript`, and deploy who enqueues them.",
        "1,200 jobs 'post' of the last hour came from a TypeScript client that knows schema new; workers know schema "
        "new of 'send'. Run `barback typescript`, and deploy who enqueues them.",
    ]


def test_a_job_that_waits_under_a_name_it_had_before_is_known() -> None:
    """P29."""
    shop = replace(SHOP, jobs=(replace(SHOP.jobs[0], former_names=("post",)),))
    assert causes(replace(WELL, queues=[waiting(1, next_name="post")], workers=[WORKER], apps=[shop])) == []


def test_what_loses_jobs_comes_first_and_what_may_comes_last() -> None:
    bad = replace(SOUND, eviction="allkeys-lru", append_only=False, used_bytes=99, ahead_s=9.0)
    late = [replace(HOURLY, late_s=90.0, last_run=Run("x", "failed", NOW, NOW))]
    hour = {"mail": Point(NOW, failed=10)}
    assert causes(Situation(NOW, bad, [waiting(1)], (), (), late, hour)) == [
        "evicts", "memory", "no-worker", "schedule-late", "schedule-failed", "failures", "clock", "no-persistence",
    ]  # fmt: skip


def test_of_one_cause_a_few_are_told_and_the_others_counted() -> None:
    queues = [replace(waiting(1), queue=f"q{n}") for n in range(SHOWN_EACH + 7)]
    notices = attention(replace(WELL, queues=queues))
    assert len(notices) == SHOWN_EACH + 1
    assert notices[-1].sentence == "It is the same with 7 more queues."
