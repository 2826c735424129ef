"""A job's story says what is stored, and that the rest is unknown."""

from dataclasses import replace

from barback.broker import JobRecord
from barback.control.timeline import Moment, tell, waited_s
from barback.options import JobOptions
from barback.told_attempt import ToldAttempt, with_attempt

JOB = JobRecord("cafes", "1", "process", "waiting", "{}", JobOptions(attempts=3), 100.0)


def kinds(record: JobRecord) -> list[str]:
    return [moment.kind for moment in tell(record)]


def test_a_job_that_failed_for_good_tells_each_attempt_with_its_own_error() -> None:
    record = replace(
        JOB, state="failed", attempts_made=3, starts=3, started_at=190.0, finished_at=200.0,
        stacktraces=("first", "second", "last"), failed_reason="reason",
    )  # fmt: skip
    assert tell(record) == [
        Moment("added", "Added", 100.0),
        Moment("failed-attempt", "Attempt 1 failed", attempt=1, detail="first"),
        Moment("failed-attempt", "Attempt 2 failed", attempt=2, detail="second"),
        Moment("failed", "Failed for good after 3 of 3 attempts", 200.0, 3, 10.0, "last"),
    ]


def test_errors_that_are_no_longer_kept_are_said_to_be_unknown() -> None:
    record = replace(JOB, state="delayed", attempts_made=3, starts=3, stacktraces=("third",))
    assert [(moment.text, moment.detail) for moment in tell(record)[1:]] == [
        ("Attempt 1 failed (its error is not kept)", ""),
        ("Attempt 2 failed (its error is not kept)", ""),
        ("Attempt 3 failed", "third"),
        ("Waits for attempt 4 until it is due", ""),
    ]


def test_errors_from_before_a_retry_by_hand_are_told_apart() -> None:
    record = replace(JOB, starts=2, stacktraces=("one", "two"))
    assert [moment.text for moment in tell(record)] == [
        "Added",
        "Failed in 2 attempts before it was retried",
        "2 more starts used up no attempt: handed back, put off, or before a retry by hand",
        "Waits for attempt 1 of 3",
    ]


def test_crashes_and_hand_backs_are_told() -> None:
    record = replace(JOB, state="active", attempts_made=1, starts=4, crashes=1, started_at=150.0, stacktraces=("one",))
    assert [moment.text for moment in tell(record)] == [
        "Added",
        "Attempt 1 failed",
        "Its worker died or stood still once while it ran",
        "1 more start used up no attempt: handed back, put off, or before a retry by hand",
        "Attempt 2 runs",
    ]


def test_who_made_it_is_told() -> None:
    record = replace(JOB, schedule_id="nightly", parent="cafes:7", options=JobOptions(delay_s=90))
    assert tell(record)[0].text == "Added by schedule 'nightly', a child of cafes:7, to run 90 s later"


def test_a_completed_job_tells_how_long_it_took_and_what_it_gave() -> None:
    record = replace(JOB, state="completed", attempts_made=1, starts=1, started_at=110.0, finished_at=111.5, result="7")
    assert tell(record)[1:] == [Moment("completed", "Completed", 111.5, 1, 1.5, "7")]
    assert waited_s(record) == 10.0
    assert waited_s(replace(record, starts=2)) is None


def test_every_other_state_has_its_end() -> None:
    assert kinds(JOB) == ["added", "waiting"]
    assert kinds(replace(JOB, state="waiting-children")) == ["added", "waiting"]
    assert kinds(replace(JOB, state="unknown")) == ["added"]


def test_who_made_an_attempt_and_how_long_it_took_is_told_where_it_is_known() -> None:
    first = with_attempt("Traceback\nBeanError: none", ToldAttempt(1, "bar-1", 3.5, 150.0))
    last = with_attempt("the last", ToldAttempt(3, "bar-2", 10.0, 200.0))
    record = replace(
        JOB, state="failed", attempts_made=3, starts=3, started_at=190.0, finished_at=200.0,
        stacktraces=(first, "of Node", last), worker="bar-2",
    )  # fmt: skip
    assert tell(record)[1:] == [
        Moment("failed-attempt", "Attempt 1 failed on bar-1", 150.0, 1, 3.5, "Traceback\nBeanError: none"),
        Moment("failed-attempt", "Attempt 2 failed", attempt=2, detail="of Node"),
        Moment("failed", "Failed for good after 3 of 3 attempts, the last one on bar-2", 200.0, 3, 10.0, "the last"),
    ]
    assert tell(replace(record, state="completed"))[-1].text == "Completed on bar-2"
    assert tell(replace(record, state="active"))[-1].text == "Attempt 4 runs on bar-2"
    # A person retried it: nobody has started it since.
    assert tell(replace(record, state="waiting", started_at=None))[-1].text == "Waits for attempt 4 of 3"
