"""What the peers' programs have noted, read from outside. The file's layout: `peers/every/tally.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HEAD = 5


@dataclass(frozen=True, slots=True)
class Tally:
    """Of all processes together. `first_ns`, `last_ns`: the first start and the last end of a job (CLOCK_MONOTONIC).

    `cpu_before_s`: what each process had used when its first job began.
    """

    done: int = 0
    first_ns: int = 0
    last_ns: int = 0
    cpu_before_s: Mapping[int, float] = field(default_factory=dict[int, float])
    latencies_s: Sequence[float] = ()


def read_tallies(folder: Path) -> Tally:
    """Those of the processes that have done a job."""
    tallies = {int(file.stem): _words(file) for file in folder.glob("*.tally")}
    working = {pid: words for pid, words in tallies.items() if len(words) >= HEAD and words[0]}
    if not working:
        return Tally()
    return Tally(
        done=sum(words[0] for words in working.values()),
        first_ns=min(words[1] for words in working.values()),
        last_ns=max(words[2] for words in working.values()),
        cpu_before_s={pid: words[3] / 1e9 for pid, words in working.items()},
        latencies_s=[word / 1e9 for words in working.values() for word in words[HEAD : HEAD + words[4]]],
    )


def _words(file: Path) -> memoryview:
    return memoryview(file.read_bytes()).cast("Q")
