"""What can be said of one job."""

from dataclasses import FrozenInstanceError
from math import inf, nan
from typing import Any

import pytest
from bullmq.queue_keys import QueueKeys
from hypothesis import given
from hypothesis import strategies as st

from barback.errors import InvalidOptions
from barback.options import (
    HIGHEST_PRIORITY_NUMBER,
    RESERVED_JOB_IDS,
    Deduplication,
    JobOptions,
    Retention,
    check_job_id,
    override,
)
from barback.retry import Fixed


def test_a_job_runs_once_at_once_and_is_kept_for_a_while_if_nothing_is_said() -> None:
    """P16."""
    options = JobOptions()
    assert (options.attempts, options.delay_s, options.priority, options.lifo) == (1, 0.0, 0, False)
    assert (options.backoff, options.job_id, options.deduplicate, options.on_failure) == (None, None, None, None)
    assert (options.keep_logs, options.keep_stacktraces) == (1_000, 10)
    assert options.keep_completed == Retention(count=1_000, age_s=24 * 3600)
    assert options.keep_failed == Retention(count=10_000, age_s=14 * 24 * 3600)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"priority": -1}, f"priority: expected 0 to {HIGHEST_PRIORITY_NUMBER}, got -1."),
        (
            {"priority": HIGHEST_PRIORITY_NUMBER + 1},
            f"priority: expected 0 to {HIGHEST_PRIORITY_NUMBER}, got {HIGHEST_PRIORITY_NUMBER + 1}.",
        ),
        ({"delay_s": -0.1}, "delay_s: expected a finite number of 0 or more, got -0.1."),
        ({"delay_s": inf}, "delay_s: expected a finite number of 0 or more, got inf."),
        ({"delay_s": nan}, "delay_s: expected a finite number of 0 or more, got nan."),
        ({"attempts": 0}, "attempts: expected 1 or more, got 0."),
        ({"keep_logs": 0}, "keep_logs: expected 1 or more; keep_stacktraces: 0 or more."),
        ({"keep_stacktraces": -1}, "keep_logs: expected 1 or more; keep_stacktraces: 0 or more."),
    ],
)
def test_an_option_out_of_its_range_is_refused_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOptions) as refusal:
        JobOptions(**wrong)
    assert str(refusal.value) == message


def test_options_at_the_ends_of_their_ranges_are_taken() -> None:
    JobOptions(priority=HIGHEST_PRIORITY_NUMBER, delay_s=0, attempts=1, keep_logs=1, keep_stacktraces=0)


def test_the_highest_priority_number_is_the_one_bullmq_takes() -> None:
    """P17."""
    assert HIGHEST_PRIORITY_NUMBER == 2**21 - 1


def test_options_are_values_that_cannot_be_changed_and_are_said_by_name() -> None:
    for value, name in [(JobOptions(), "attempts"), (Retention(), "count"), (Deduplication("k"), "id")]:
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, 2)
    with pytest.raises(TypeError):
        JobOptions("mine")  # type: ignore[misc] # pyright: ignore


def test_no_overrides_leave_the_declared_options_as_they_are() -> None:
    declared = JobOptions(attempts=3)
    assert override(declared, {}) is declared


def test_overrides_are_laid_over_the_declared_options() -> None:
    declared = JobOptions(attempts=3, backoff=Fixed(2), priority=5)
    assert override(declared, {"priority": 1, "delay_s": 60}) == JobOptions(
        attempts=3, backoff=Fixed(2), priority=1, delay_s=60
    )
    assert override(declared, {"keep_logs": 7, "keep_stacktraces": 3}) == JobOptions(
        attempts=3, backoff=Fixed(2), priority=5, keep_logs=7, keep_stacktraces=3
    )
    assert override(declared, {"backoff": None}).backoff is None


def test_overrides_are_checked_like_declared_options() -> None:
    with pytest.raises(InvalidOptions, match="attempts: expected 1 or more, got 0"):
        override(JobOptions(), {"attempts": 0})


# ── job ids ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("job_id", "reason"),
    [
        ("", "it is empty"),
        ("5", "it is an integer, and BullMQ's automatic ids are integers: it would be overwritten"),
        ("-5", "it is an integer"),
        ("0", "it is an integer"),
        ("a:b", "it contains ':', which parts BullMQ's keys"),
        ("wait", "it is the name of one of BullMQ's own keys, which it would overwrite"),
        ("a" * 513, "it is longer than 512 characters or holds control characters"),
        ("a\nb", "it is longer than 512 characters or holds control characters"),
    ],
)
def test_an_id_that_would_break_the_queue_is_refused_and_says_why(job_id: str, reason: str) -> None:
    """B9."""
    with pytest.raises(InvalidOptions) as refusal:
        JobOptions(job_id=job_id)
    assert str(refusal.value).startswith(f"Job id {job_id[:80]!r} cannot be used: {reason}")


@pytest.mark.parametrize("job_id", ["berlin", "cafe-5", "5a", "köln ☕", "a" * 512, "1.5", "Wait"])
def test_other_ids_are_taken(job_id: str) -> None:
    check_job_id(job_id)


def test_every_key_that_bullmq_gives_a_queue_is_reserved() -> None:
    """B9: a job of such an id would be written over it."""
    names = {name for name in QueueKeys("bull").getKeys("q") if name}
    assert names - RESERVED_JOB_IDS == set()


@given(st.text())
def test_no_id_that_is_taken_can_be_one_of_bullmqs_own(job_id: str) -> None:
    """B9."""
    try:
        check_job_id(job_id)
    except InvalidOptions:
        return
    assert ":" not in job_id
    assert not job_id.isdecimal()
    assert job_id not in RESERVED_JOB_IDS


# ── retention and deduplication ─────────────────────────────────────────────────────────────────────


def test_retention_may_have_no_bound_or_keep_none() -> None:
    assert Retention() == Retention(count=None, age_s=None)
    assert Retention(count=0).count == 0


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(InvalidOptions, match=r"Retention\.count: expected 0 or more, or None, got -1\."):
        Retention(count=-1)
    with pytest.raises(InvalidOptions, match=r"Retention\.remove_at_most: expected 0 or more, got -1\."):
        Retention(remove_at_most=-1)


@pytest.mark.parametrize("age_s", [0, -1, nan])
def test_an_age_that_is_no_duration_is_refused(age_s: float) -> None:
    with pytest.raises(InvalidOptions, match=r"Retention\.age_s: expected more than 0, or None, got"):
        Retention(age_s=age_s)


def test_the_four_ways_to_deduplicate() -> None:
    """P4."""
    assert Deduplication.simple("k") == Deduplication("k")
    assert Deduplication.throttle("k", 5) == Deduplication("k", ttl_s=5)
    assert Deduplication.debounce("k", 5) == Deduplication("k", ttl_s=5, extend=True, replace=True)
    assert Deduplication.keep_last("k") == Deduplication("k", keep_last_if_active=True)


def test_durations_may_be_parts_of_a_second() -> None:
    assert Retention(age_s=0.5).age_s == 0.5
    assert Deduplication.throttle("k", 0.5).ttl_s == 0.5


def test_deduplication_needs_a_key() -> None:
    with pytest.raises(InvalidOptions, match=r"Deduplication\.id: expected a text, got an empty one\."):
        Deduplication.simple("")


@pytest.mark.parametrize("ttl_s", [0, -1, nan])
def test_a_time_to_live_that_is_no_duration_is_refused(ttl_s: float) -> None:
    with pytest.raises(InvalidOptions, match=r"Deduplication\.ttl_s: expected more than 0, or None, got"):
        Deduplication.throttle("k", ttl_s)
