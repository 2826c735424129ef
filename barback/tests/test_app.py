"""Apps: what is refused where it is declared."""

from math import inf, nan

import pytest

from barback.app import App, no_services
from barback.broker import QueueLimits
from barback.errors import DeclarationError
from barback.job import Context, job
from barback.payload import NoPayload


@job("count", queue="numbers")
async def count(payload: NoPayload, ctx: Context[None]) -> None: ...


def test_queues_and_limits_of_the_apps_own_queues_are_taken() -> None:
    limits = {"numbers": QueueLimits(concurrency=1, rate=(1, 0.001))}
    app = App(jobs=[count], services=no_services, queues={"numbers": 1}, limits=limits)
    assert (app.queues, app.limits) == ({"numbers": 1}, limits)


def test_concurrency_for_a_queue_that_the_app_has_not_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"App\(queues=…\): .* 'number'\. Did you mean 'numbers'\?"):
        App(jobs=[count], services=no_services, queues={"number": 2})


def test_limits_for_a_queue_that_the_app_has_not_are_refused() -> None:
    with pytest.raises(DeclarationError, match=r"App\(limits=…\): .* 'number'\. Did you mean 'numbers'\?"):
        App(jobs=[count], services=no_services, limits={"number": QueueLimits()})


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_queue_that_would_work_nothing_is_refused(concurrency: int) -> None:
    with pytest.raises(DeclarationError, match=f"'numbers' expected a concurrency of 1 or more, got {concurrency}"):
        App(jobs=[count], services=no_services, queues={"numbers": concurrency})


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_limit_that_lets_no_job_run_is_refused(concurrency: int) -> None:
    with pytest.raises(DeclarationError, match=rf"QueueLimits\(concurrency=…\): .* got {concurrency}\."):
        QueueLimits(concurrency=concurrency)


def test_a_rate_of_no_jobs_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"expected 1 job or more, got 0\."):
        QueueLimits(rate=(0, 1))


@pytest.mark.parametrize("seconds", [0, -1, 0.0004, inf, nan])
def test_a_rate_over_no_time_or_for_ever_is_refused(seconds: float) -> None:
    with pytest.raises(DeclarationError, match=r"expected a finite number of seconds, 0\.001 or more"):
        QueueLimits(rate=(1, seconds))
