"""Which fields of the payloads in a queue no face may show: as the apps that work it declare them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from barback.board import Board
from barback.broker import JobRecord
from barback.control.workers import published_apps
from barback.masking import MASK, Path, mask


@dataclass(frozen=True, slots=True)
class Secrets:
    """Of one queue: the paths, by the job's name."""

    paths: Mapping[str, Sequence[Path]]

    def of(self, name: str) -> Sequence[Path]:
        """A name that nobody declares may be a misspelt one: it has all secrets of its queue."""
        known = self.paths.get(name)
        return sorted({path for paths in self.paths.values() for path in paths}) if known is None else known

    def hide(self, record: JobRecord) -> JobRecord:
        """The job as somebody may search it: what is masked cannot be found by guessing it."""
        paths = self.of(record.name)
        if not paths:
            return record
        try:
            shown = json.dumps(mask(json.loads(record.data), paths), ensure_ascii=False)
        except (ValueError, RecursionError):
            shown = json.dumps(MASK)
        return replace(record, data=shown)


NO_SECRETS = Secrets({})


async def secrets_of(board: Board, queue: str) -> Secrets:
    """Where several apps declare the same job, all of their secrets count."""
    paths: dict[str, set[Path]] = {}
    for app in await published_apps(board):
        for job in app.jobs:
            if job.queue == queue:
                paths.setdefault(job.name, set()).update(job.secret)
    return Secrets({name: sorted(found) for name, found in paths.items()})
