"""How other commands find the Redis of this project's `barback dev`: a file in its data folder."""

import contextlib
import json
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path

from barback.embedded.data_folder import is_claimed

FILE_NAME = "dev.json"
VALKEY_FOLDER = "valkey"


@dataclass(frozen=True, slots=True)
class RunningDev:
    """Where the embedded Redis of a `barback dev` is."""

    redis_url: str
    redis_db: int


@contextlib.contextmanager
def announced(data_folder: Path, dev: RunningDev) -> Generator[None]:
    """Let other commands find it."""
    file = data_folder / FILE_NAME
    file.write_text(json.dumps(asdict(dev)))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def find_running_dev(data_folder: Path) -> RunningDev | None:
    """The `barback dev` that runs over this data folder; None if none does."""
    file = data_folder / FILE_NAME
    # A killed one leaves its file: the lock says whether it is still there.
    if not file.is_file() or not is_claimed(data_folder / VALKEY_FOLDER):
        return None
    return RunningDev(**json.loads(file.read_text()))
