"""What is counted of a queue's jobs, and from when their waiting is."""

import time
from dataclasses import replace

from barback.broker import FetchedJob
from barback.options import JobOptions
from barback.telemetry.histogram import bin_of
from barback.telemetry.meter import MOST_SCHEMAS, Meter


def job(*, added_at: float = 100.0, started_at: float = 100.0, delay_s: float = 0.0, starts: int = 1) -> FetchedJob:
    options = JobOptions(delay_s=delay_s)
    return FetchedJob("q", "1", "t", "any", "{}", options, starts=starts, added_at=added_at, started_at=started_at)


def taken(*jobs: FetchedJob) -> dict[str, int]:
    meter = Meter()
    for one in jobs:
        meter.started(one)
    return meter.take()


def test_a_job_waits_from_when_it_was_added() -> None:
    assert taken(job(started_at=103.0)) == {f"wait:{bin_of(3.0)}": 1}


def test_a_delayed_job_waits_from_when_it_was_due() -> None:
    assert taken(job(started_at=163.0, delay_s=60.0)) == {f"wait:{bin_of(3.0)}": 1}


def test_a_job_that_was_promoted_or_whose_producers_clock_is_ahead_did_not_wait() -> None:
    assert taken(job(started_at=101.0, delay_s=60.0), job(added_at=105.0)) == {"wait:0": 2}


def test_only_the_first_start_of_a_job_is_measured() -> None:
    assert taken(job(started_at=500.0, starts=2)) == {}


def test_each_take_tells_what_came_since_the_one_before() -> None:
    meter = Meter()
    meter.by_name["any", "completed"] += 2
    meter.ran(0.5)
    assert meter.take() == {"completed": 2, f"run:{bin_of(0.5)}": 1}
    meter.by_name["any", "completed"] += 1
    meter.stalled += 3
    assert meter.take() == {"completed": 1, "stalled": 3}
    assert meter.take() == {}


def test_it_costs_less_than_two_microseconds_a_job() -> None:
    """The best of many short rounds: what else the machine does is not its cost."""
    meter, one, rounds, each = Meter(), job(started_at=103.0), 200, 100

    def cost() -> float:
        began_at = time.perf_counter()
        for _ in range(each):
            meter.started(one)
            meter.ran(0.5)
        return (time.perf_counter() - began_at) / each

    assert min(cost() for _ in range(rounds)) < 2e-6


def test_jobs_of_clients_that_know_another_schema_are_counted_by_it_and_their_name() -> None:
    """P29."""
    meter = Meter({"any": "new", "same": "old"})
    for name, known in (("any", "old"), ("any", "old"), ("any", "new"), ("same", "old"), ("gone", "x"), ("any", None)):
        meter.started(replace(job(), name=name, options=JobOptions(schema_hash=known)))
    counted = {name: count for name, count in meter.take().items() if name.startswith("schema:")}
    assert counted == {"schema:old:any": 2, "schema:x:gone": 1}


def test_of_hashes_that_anybody_may_make_up_so_many_are_counted() -> None:
    meter = Meter()
    for number in range(2 * MOST_SCHEMAS):
        meter.started(replace(job(), options=JobOptions(schema_hash=str(number))))
    assert sum(name.startswith("schema:") for name in meter.take()) == MOST_SCHEMAS
