"""What every Python peer's program uses: the run it is given, the payload of all, and a tally for outside.

The tally is a file mapped into memory, one a process: writing to it costs no system call, and no peer's loop or lock.
As 64-bit numbers: jobs done, start of the first job, end of the last (CLOCK_MONOTONIC, ns), CPU used before the first
job (ns), latencies noted, and then these (ns). `tally.cjs` writes the same.
"""

import json
import mmap
import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEAD = 5


@dataclass(frozen=True)
class Run:
    """What the harness asks for, the same words for every peer."""

    mode: str
    redis_url: str
    queue: str
    jobs: int
    concurrency: int
    io_ms: int
    processes: int
    tallies: str
    payload_bytes: int


RUN = Run(**json.loads(os.environ["BENCH_RUN"]))
_SIZE = 8 * (HEAD + (RUN.jobs if RUN.mode == "latency" else 0))
_filler = "x" * max(0, RUN.payload_bytes - 150)


def payload(number: int, sent_ns: int = 0) -> dict[str, Any]:
    """About 150 bytes of JSON, more if the run says so."""
    return {
        "cafeId": f"7c9e6679-7425-40de-944b-{number:012d}",
        "name": "Café Grundmann" + _filler,
        "rating": 4.5,
        "tags": ["wifi", "breakfast"],
        "sentNs": sent_ns,
    }


def payloads(sent_ns: int = 0) -> Iterator[dict[str, Any]]:
    """As many as the run has jobs."""
    return (payload(number, sent_ns) for number in range(RUN.jobs))


def gaps() -> list[float]:
    """Seconds between the jobs of a latency run, the same for each peer."""
    chance = random.Random(1)
    return [chance.uniform(0.02, 0.06) for _ in range(RUN.jobs)]


class Tally:
    """One a process; made at its first job, so that a fork before that does no harm."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._words: memoryview | None = None
        self._pid = 0

    def started(self, sent_ns: int) -> None:
        """A handler begins. `sent_ns`: when its enqueue was called; 0: of no interest."""
        if self._words is None or self._pid != os.getpid():
            self._open()
        if sent_ns:
            with self._lock:
                words = self._words
                words[HEAD + words[4]] = time.monotonic_ns() - sent_ns
                words[4] += 1

    def ended(self) -> None:
        """A handler has done its work."""
        with self._lock:
            words = self._words
            words[2] = time.monotonic_ns()
            words[0] += 1

    def _open(self) -> None:
        with self._lock:
            if self._words is not None and self._pid == os.getpid():
                return
            with (Path(RUN.tallies) / f"{os.getpid()}.tally").open("w+b") as file:
                file.truncate(_SIZE)
                words = memoryview(mmap.mmap(file.fileno(), _SIZE)).cast("Q")
            words[3] = time.process_time_ns()
            words[1] = time.monotonic_ns()
            self._words, self._pid = words, os.getpid()


tally = Tally()
