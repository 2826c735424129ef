"""Which fields of the payloads in a queue no face may show: as the apps that work it declare them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from barback.board import Board
from barback.broker import JobRecord
from barback.control.masking import UNCUT, show
from barback.control.workers import published_apps
from barback.masking import Path
from barback.telemetry.published import PublishedApp


@dataclass(frozen=True, slots=True)
class Secrets:
    """Of one queue: the paths, by the job's name."""

    paths: Mapping[str, Sequence[Path]]

    def __bool__(self) -> bool:
        """Whether any payload of the queue may hold some."""
        return any(self.paths.values())

    def of(self, name: str) -> Sequence[Path]:
        """A name that nobody declares may be a misspelt one: it has all secrets of its queue."""
        known = self.paths.get(name)
        return sorted({path for paths in self.paths.values() for path in paths}) if known is None else known

    def hide(self, record: JobRecord) -> JobRecord:
        """The job as somebody may search it: what is masked cannot be found by guessing it."""
        paths = self.of(record.name)
        return replace(record, data=show(record.data, paths, UNCUT).text) if paths else record


NO_SECRETS = Secrets({})


async def secrets_of(board: Board, queue: str) -> Secrets:
    """As the apps declare them now."""
    return secrets_in(await published_apps(board), queue)


def secrets_in(apps: Sequence[PublishedApp], queue: str) -> Secrets:
    """Where several apps declare the same job, all of their secrets count."""
    paths: dict[str, set[Path]] = {}
    for app in apps:
        for job in app.jobs:
            if job.queue == queue:
                paths.setdefault(job.name, set()).update(job.secret)
    return Secrets({name: sorted(found) for name, found in paths.items()})
