"""What a peer's program is asked to do. Its words are those of `peers/every/tally.py`."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

Mode = Literal["work", "bulk", "one-by-one", "latency"]

PAYLOAD_BYTES = 150


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one peer. `io_ms`: how long each job waits, as for a database. `tallies`: a folder."""

    mode: Mode
    redis_url: str
    tallies: str
    jobs: int
    concurrency: int = 100
    io_ms: int = 0
    processes: int = 1
    payload_bytes: int = PAYLOAD_BYTES
    queue: str = "bench"

    def as_json(self) -> str:
        """For the variable BENCH_RUN."""
        return json.dumps(asdict(self))
