"""One sentence says why a job is not running."""

from dataclasses import replace

import pytest

from barback.answers import State
from barback.broker import JobRecord
from barback.control.why import Facts, LiveWorkers, Why, why
from barback.options import JobOptions

NOW = 1_700_000_000.0
JOB = JobRecord("cafes", "1", "process", "waiting", "{}", JobOptions(attempts=3), NOW - 60)
WORKED = LiveWorkers({"cafes": frozenset({"process"})})
FACTS = Facts(JOB, NOW, WORKED, place=0)


def told(facts: Facts, state: State = "waiting") -> Why:
    answer = why(replace(facts, record=replace(facts.record, state=state)))
    assert answer is not None
    return answer


@pytest.mark.parametrize("state", ["active", "completed", "failed", "unknown"])
def test_a_job_that_does_not_wait_needs_no_reason(state: State) -> None:
    assert why(replace(FACTS, record=replace(JOB, state=state))) is None


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (replace(FACTS, paused=True), "Queue 'cafes' is paused: resume it."),
        (replace(FACTS, workers=LiveWorkers()), "No live worker works queue 'cafes': start one."),
        (
            replace(FACTS, workers=LiveWorkers({"cafes": frozenset({"other"})})),
            "No live worker of 'cafes' knows a job named 'process': it would fail. Deploy the code that has it.",
        ),
        (replace(FACTS, limited_for_s=40), "Queue 'cafes' has reached its rate limit for 40 s."),
        (
            replace(FACTS, concurrency=2, active=2),
            "2 jobs run already, and queue 'cafes' may run 2 at a time.",
        ),
        (replace(FACTS, place=312), "Behind 312 jobs."),
        (replace(FACTS, place=1), "Behind 1 job."),
        (replace(FACTS, place=None), "It is far back in the queue."),
        (FACTS, "It is the next to run, as soon as a worker has a free slot."),
    ],
)
def test_a_waiting_job_is_told(facts: Facts, sentence: str) -> None:
    assert told(facts).sentence == sentence


def test_what_holds_up_the_queue_comes_before_the_place_in_it() -> None:
    facts = replace(FACTS, paused=True, workers=LiveWorkers(), limited_for_s=40, concurrency=1, active=1, place=312)
    causes = [told(facts).cause]
    for lifted in ({"paused": False}, {"workers": WORKED}, {"limited_for_s": 0.0}, {"active": 0}, {"place": 0}):
        facts = replace(facts, **lifted)
        causes.append(told(facts).cause)
    assert causes == ["paused", "no-worker", "rate", "concurrency", "behind", "next"]


def test_workers_that_do_not_say_what_they_know_may_know_it() -> None:
    """As Node's."""
    workers = LiveWorkers({"cafes": frozenset({"other"})}, silent=frozenset({"cafes"}))
    assert told(replace(FACTS, workers=workers)).cause == "next"


def test_a_prioritized_job_waits_behind_all_that_have_none() -> None:
    facts = replace(FACTS, record=replace(JOB, options=JobOptions(priority=5)), place=2, waiting=310)
    assert told(facts, "prioritized").sentence == "Behind 312 jobs that run before its priority 5."


def test_a_delayed_job_says_until_when_and_what_for() -> None:
    facts = replace(FACTS, due_at=NOW + 300)
    how_long = "for another 5 min"
    assert told(facts, "delayed") == Why("delay", f"Delayed {how_long}, as it was asked for.", NOW + 300)
    retried = replace(facts, record=replace(JOB, attempts_made=2, starts=2))
    assert told(retried, "delayed").sentence == (
        f"Delayed {how_long}: attempt 2 failed (of 3), and this is the wait before the next."
    )
    later = replace(facts, record=replace(JOB, starts=1))
    assert told(later, "delayed").sentence == (
        f"Delayed {how_long}: it asked to run later, and this is the wait before the next."
    )
    scheduled = replace(facts, record=replace(JOB, schedule_id="nightly"))
    assert told(scheduled, "delayed").sentence == f"Delayed {how_long}: the next slot of schedule 'nightly'."


def test_a_delayed_job_that_is_due_is_told_what_holds_up_the_queue() -> None:
    assert told(replace(FACTS, due_at=NOW - 1, paused=True), "delayed").cause == "paused"
    assert (
        told(replace(FACTS, due_at=NOW - 1), "delayed").sentence == "It is due: a worker will take it up in a moment."
    )


def test_a_parent_waits_for_its_children_by_name() -> None:
    one = replace(FACTS, pending_children=["photos:7"], pending_count=1)
    assert told(one, "waiting-children").sentence == "Waits for its child photos:7 to finish."
    many = replace(one, pending_count=1_300)
    assert told(many, "waiting-children").sentence == (
        "Waits for its child photos:7 and 1,299 more children to finish."
    )


@pytest.mark.parametrize("due_at", [1e300, float("inf"), -1e300])
def test_a_moment_beyond_all_calendars_breaks_nothing(due_at: float) -> None:
    told(replace(FACTS, due_at=due_at), "delayed")
