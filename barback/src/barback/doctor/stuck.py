"""Jobs stuck active: held by nobody, or running without an end."""

import shlex
from collections.abc import Iterator

from barback.control.why import describe_s
from barback.doctor.facts import Facts, QueueFacts
from barback.doctor.telling import short
from barback.finding import Finding

CHECK = "stuck"
RECOVERED_WITHIN_S = 60.0
"""A worker that looks after the queue puts a job back much sooner."""
LONG_S = 3600.0


def check_stuck(facts: Facts) -> Iterator[Finding]:
    """An error a queue with jobs that nobody holds; a warning each job that runs for an hour without a timeout."""
    for queue in facts.queues:
        yield from _unheld(facts, queue)
    timed = {(job.queue, job.name) for app in facts.situation.apps for job in app.jobs if job.timeout_s is not None}
    for beat in facts.situation.workers:
        for job in beat.running:
            if facts.now - job.since > LONG_S and (job.queue, job.name) not in timed:
                yield Finding(
                    CHECK,
                    "warning",
                    f"Job {job.id} ('{short(job.name)}') of queue '{job.queue}' has been running for "
                    f"{describe_s(facts.now - job.since)} in worker {beat.name}, and has no timeout.",
                    f"If it hangs: barback jobs cancel {shlex.quote(job.queue)} {shlex.quote(job.id)}; and declare a "
                    "timeout_s.",
                )


def _unheld(facts: Facts, queue: QueueFacts) -> Iterator[Finding]:
    tended = queue.glance is not None and queue.glance.tended
    stuck = [
        job
        for job in queue.unheld
        if not tended or job.started_at is None or facts.now - job.started_at > RECOVERED_WITHIN_S
    ]
    if not stuck:
        return
    first = stuck[0]
    one = len(stuck) == 1
    jobs = "1 job" if one else f"{len(stuck):,} jobs"
    since = f", the first started {describe_s(facts.now - first.started_at)} ago" if first.started_at else ""
    yield Finding(
        CHECK,
        "error",
        f"{jobs} of queue '{queue.queue}' {'is' if one else 'are'} active and no worker "
        f"holds {'it' if one else 'them'}{since} ({first.id}, '{short(first.name)}'): its worker died.",
        f"Start a worker of '{queue.queue}': within 10 s it puts them back (and fails what killed it three times).",
    )
