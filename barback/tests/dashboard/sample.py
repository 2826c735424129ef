"""Jobs to look at, and waiting for a page."""

import json
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page

from barback.broker import Failed, Lease, NewJob, Settlement
from barback.options import JobOptions

from .conftest import Site

LEASE = Lease("w", 60.0)


def add(site: Site, *names: str, options: JobOptions | None = None, data: Any = None) -> None:
    """Jobs with this payload; None: one that says their name."""
    payloads = [json.dumps({"n": name} if data is None else data) for name in names]
    jobs = [NewJob(site.queues[0], *one, options or JobOptions()) for one in zip(names, payloads, strict=True)]
    site.run(site.broker.add(jobs))


def fail(site: Site, *names: str) -> None:
    """Jobs that were added and have failed."""
    add(site, *names)
    jobs = site.run(site.broker.exchange(site.queues[0], [], len(names), LEASE)).jobs
    outcomes = [Settlement(job, Failed("ValueError: no luck", "Traceback:\n  at the bar")) for job in jobs]
    site.run(site.broker.exchange(site.queues[0], outcomes, 0, LEASE))


def list_of(site: Site, state: str) -> str:
    return f"{site.url}/jobs?queue={site.queues[0]}&state={state}"


def wait_until(page: Page, probe: Callable[[], object]) -> None:
    """Playwright's own `wait_for_function` needs `eval`, which the policy refuses."""
    deadline = time.monotonic() + 8
    while not probe():
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)
