"""What apps declared of a job, found by its name."""

from collections.abc import Sequence
from dataclasses import replace

from barback.options import JobOptions
from barback.retry import Custom
from barback.telemetry.published import PublishedApp, PublishedJob


def find_job(apps: Sequence[PublishedApp], queue: str, name: str) -> PublishedJob | None:
    """As the app declares it whose worker said so last; None: nobody does."""
    newest_first = sorted(apps, key=lambda app: app.at, reverse=True)
    jobs = [job for app in newest_first for job in app.jobs if job.queue == queue]
    # A name of now wins over one that another job had.
    found = [job for job in jobs if job.name == name] or [job for job in jobs if name in job.former_names]
    return found[0] if found else None


def options_of(job: PublishedJob) -> JobOptions:
    """As its declaration has them. What `Payload.unique` would say is known to the app's code alone."""
    return replace(job.options, backoff=Custom(_known_to_workers)) if job.custom_backoff else job.options


def _known_to_workers(attempt: int, error: BaseException) -> float | None:
    """Only its being there is stored: whoever works the job asks its own."""
    raise NotImplementedError
