"""Which of two releases of an app is the newer one (P15)."""

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from barback.app import AnyApp
from barback.settings import read_variable

VARIABLE = "BARBACK_RELEASE"


def release_of(app: AnyApp) -> str:
    """`BARBACK_RELEASE`, else when the newest file of the app's code was written.

    Any text that sorts: a version, a build number, a date.
    """
    modules = {job.handler.__module__ for job in app.registry.jobs} | _modules_with(app)
    packages = {name.partition(".")[0] for name in modules}
    return read_variable(VARIABLE) or datetime.fromtimestamp(_newest(packages), UTC).isoformat(timespec="seconds")


def order_of(release: str) -> list[tuple[int, int, str]]:
    """What releases are sorted by: `2.10` after `2.9`, since digits count as numbers."""
    parts = re.findall(r"\d+|\D+", release)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def _modules_with(app: AnyApp) -> set[str]:
    """Where it is declared."""
    return {name for name, module in list(sys.modules.items()) if any(value is app for value in vars(module).values())}


def _newest(packages: set[str]) -> float:
    """When the newest file was written of those modules of these packages that are imported; 0.0: nobody knows."""
    files = [
        getattr(module, "__file__", None)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in packages
    ]
    return max((_written_at(Path(file)) for file in files if file), default=0.0)


def _written_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
