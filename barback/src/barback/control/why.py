"""Why a job is not running: one sentence, from what is known of it, its queue and its workers. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Literal

from barback.broker import JobRecord

LONGEST_S = 1e12
"""Some 30,000 years: what is longer is told as that."""

Cause = Literal[
    "children", "delay", "backoff", "schedule", "paused", "no-worker", "unknown-name", "rate", "concurrency",
    "behind", "next",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class LiveWorkers:
    """Who works which queue now."""

    names: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """By queue, the jobs that a worker of ours there knows; a queue that nobody works is not in it."""
    silent: frozenset[str] = frozenset()
    """Queues with workers that do not say what they know, as Node's."""

    def work(self, queue: str) -> bool:
        return queue in self.names or queue in self.silent

    def know(self, queue: str, name: str) -> bool:
        """Whether somebody may know it."""
        return queue in self.silent or name in self.names.get(queue, ())


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known. Moments are epoch seconds; None: not known, or there is none."""

    record: JobRecord
    now: float
    workers: LiveWorkers
    paused: bool = False
    limited_for_s: float = 0.0
    concurrency: int | None = None
    """Jobs of the queue that may run at a time, over all workers."""
    active: int = 0
    place: int | None = None
    """Jobs of its state that come before it (`Inspector.place`)."""
    waiting: int = 0
    """Jobs without a priority: all of them run before those that have one."""
    due_at: float | None = None
    pending_children: Sequence[str] = ()
    """Some of them, each as `queue:job id`."""
    pending_count: int = 0


@dataclass(frozen=True, slots=True)
class Why:
    """The sentence; `until`: when it ends by itself, epoch seconds, if that is known: told in the reader's own zone."""

    cause: Cause
    sentence: str
    until: float | None = None


def why(facts: Facts) -> Why | None:
    """The first thing that keeps the job from running; None: it runs, has finished, or is gone."""
    match facts.record.state:
        case "waiting-children":
            return _children(facts)
        case "delayed" if facts.due_at is None or facts.due_at > facts.now:
            return _delayed(facts)
        case "waiting" | "prioritized" | "delayed":
            return _queue(facts) or _behind(facts)
        case _:
            return None


def _children(facts: Facts) -> Why:
    count = max(facts.pending_count, len(facts.pending_children))
    if not count:
        return Why("children", "Waits for children of which none is left: repair the queue, or remove it.")
    first = f" {facts.pending_children[0]}" if facts.pending_children else ""
    more = f" and {_jobs(count - 1, 'more child', 'more children')}" if count > 1 else ""
    return Why("children", f"Waits for its child{first}{more} to finish.")


def _delayed(facts: Facts) -> Why:
    record, due_at = facts.record, facts.due_at
    for_how_long = f" for another {describe_s(due_at - facts.now)}" if due_at else ""
    if record.attempts_made or record.starts:
        after = f"attempt {record.attempts_made} failed" if record.attempts_made else "it asked to run later"
        of = f" (of {record.options.attempts})" if record.attempts_made else ""
        return Why("backoff", f"Delayed{for_how_long}: {after}{of}, and this is the wait before the next.", due_at)
    if record.schedule_id:
        return Why("schedule", f"Delayed{for_how_long}: the next slot of schedule '{record.schedule_id}'.", due_at)
    return Why("delay", f"Delayed{for_how_long}, as it was asked for.", due_at)


def _queue(facts: Facts) -> Why | None:
    """What holds up the whole queue, or this job in it whatever its place."""
    queue, name = facts.record.queue, facts.record.name
    if facts.paused:
        return Why("paused", f"Queue '{queue}' is paused: resume it.")
    if not facts.workers.work(queue):
        return Why("no-worker", f"No live worker works queue '{queue}': start one.")
    if not facts.workers.know(queue, name):
        return Why(
            "unknown-name",
            f"No live worker of '{queue}' knows a job named '{name}': it would fail. Deploy the code that has it.",
        )
    if facts.limited_for_s > 0:
        until = facts.now + facts.limited_for_s
        return Why("rate", f"Queue '{queue}' has reached its rate limit for {describe_s(facts.limited_for_s)}.", until)
    if facts.concurrency is not None and facts.active >= facts.concurrency:
        running = _jobs(facts.active, "job runs", "jobs run")
        return Why("concurrency", f"{running} already, and queue '{queue}' may run {facts.concurrency} at a time.")
    return None


def _behind(facts: Facts) -> Why:
    if facts.record.state == "delayed":
        return Why("next", "It is due: a worker will take it up in a moment.")
    if facts.place is None:
        return Why("behind", "It is far back in the queue.")
    if facts.record.state == "prioritized":
        before = facts.place + facts.waiting
        if before:
            priority = facts.record.options.priority
            return Why("behind", f"Behind {_jobs(before, 'job', 'jobs')} that run before its priority {priority}.")
    elif facts.place:
        return Why("behind", f"Behind {_jobs(facts.place, 'job', 'jobs')}.")
    return Why("next", "It is the next to run, as soon as a worker has a free slot.")


def describe_s(seconds: float) -> str:
    """For people, never 0: `40 s`, `5 min`, `3 h`, `2 d`."""
    for unit, length_s, below in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < below * length_s:
            return f"{max(1, ceil(seconds / length_s))} {unit}"
    return f"{ceil(min(seconds, LONGEST_S) / 86_400):,} d"


def _jobs(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
