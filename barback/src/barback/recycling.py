"""When a worker has worked enough, or holds too much memory, to go on: it ends, for another to be started."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from barback.errors import InvalidOptions

MB = 2**20
STATM = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Bounds:
    """None: no bound of that kind. `mb`: megabytes of 2**20 bytes. `jobs`: outcomes written."""

    mb: float | None = None
    jobs: int | None = None

    @property
    def any(self) -> bool:
        return self.mb is not None or self.jobs is not None

    def check(self, resident_mb: float) -> None:
        """Refuse a bound that a worker is over before its first job: it would be started again and again.

        :raises InvalidOptions: says how much it holds.
        """
        if self.mb is not None and resident_mb >= self.mb:
            raise InvalidOptions(
                f"recycle_after_mb: this worker holds {resident_mb:.0f} MB before its first job; "
                f"expected well over that, got {self.mb:g}."
            )

    def exceeded(self, jobs: int, resident_mb: float) -> str | None:
        """Which bound is reached, in words; None: none."""
        if self.jobs is not None and jobs >= self.jobs:
            return f"{jobs} jobs worked, of {self.jobs}"
        if self.mb is not None and resident_mb >= self.mb:
            return f"{resident_mb:.0f} MB held, of {self.mb:g}"
        return None


def resident_mb() -> float:
    """The memory this process holds now, without its children's. Without /proc (macOS): the most it ever held."""
    try:
        pages = int(STATM.read_text().split()[1])
    except OSError:
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # Bytes on macOS, kilobytes elsewhere.
        return most / (MB if sys.platform == "darwin" else 1024)
    return pages * os.sysconf("SC_PAGE_SIZE") / MB
