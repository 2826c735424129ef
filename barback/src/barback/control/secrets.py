"""Which fields of the payloads in a queue no face may show: as the apps that work it declare them.

In doubt nothing is shown. A declaration that cannot be read masks all payloads of the queues that it may be of; what an
app declared last counts for 30 days after its last worker. A queue whose apps declared no secrets in that time, or that
has none (Node alone works it), has no secrets.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from barback.board import Board
from barback.broker import JobRecord
from barback.control.masking import UNCUT, show
from barback.masking import Path
from barback.telemetry.published import KIND as APP
from barback.telemetry.published import SECRETS, decode_app, decode_secrets

ALL_OF_IT: Sequence[Path] = ((),)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Of one queue: the paths, by the job's name. `unclear`: a declaration cannot be read, so that all is secret."""

    paths: Mapping[str, Sequence[Path]]
    unclear: bool = False

    def __bool__(self) -> bool:
        """Whether any payload of the queue may hold some."""
        return self.unclear or any(self.paths.values())

    def of(self, name: str) -> Sequence[Path]:
        """A name that nobody declares may be a misspelt one: it has all secrets of its queue."""
        if self.unclear:
            return ALL_OF_IT
        known = self.paths.get(name)
        return sorted({path for paths in self.paths.values() for path in paths}) if known is None else known

    def hide(self, record: JobRecord) -> JobRecord:
        """The job as somebody may search it: what is masked cannot be found by guessing it."""
        paths = self.of(record.name)
        return replace(record, data=show(record.data, paths, UNCUT).text) if paths else record


NO_SECRETS = Secrets({})


async def secrets_of(board: Board, queue: str) -> Secrets:
    """As the apps declare them now, or declared them last."""
    apps, kept = await asyncio.gather(board.documents(APP), board.documents(SECRETS))
    return secrets_in(apps.values(), kept.values(), queue)


def secrets_in(apps: Iterable[str], kept: Iterable[str], queue: str) -> Secrets:
    """From documents as they are stored, of apps and of secrets. Pure.

    Where several apps declare the same job, all of their secrets count; what is kept counts for jobs that their app
    does not declare now.
    """
    paths: dict[str, set[Path]] = {}
    declared: set[tuple[str, str]] = set()
    unclear = False
    for text in apps:
        app = decode_app(text)
        if app is None:
            unclear = unclear or _may_be_of(text, queue)
            continue
        for job in (job for job in app.jobs if job.queue == queue):
            declared.add((app.name, job.name))
            paths.setdefault(job.name, set()).update(job.secret)
    for text in kept:
        last = decode_secrets(text)
        unclear = unclear or last is None
        if last is not None and last.queue == queue and (last.app, last.job) not in declared:
            paths.setdefault(last.job, set()).update(last.paths)
    return Secrets({name: sorted(found) for name, found in paths.items()}, unclear)


def _may_be_of(text: str, queue: str) -> bool:
    """Whether an app that cannot be read may declare jobs of this queue."""
    try:
        jobs: Any = json.loads(text)["jobs"]
        return any(job["queue"] == queue for job in cast("list[dict[str, Any]]", jobs))
    except (ValueError, TypeError, LookupError, RecursionError):
        return True
