"""What the peers' programs have noted, read from outside. The file's layout: `peers/every/tally.py`."""

from dataclasses import dataclass
from pathlib import Path

HEAD = 5


@dataclass(frozen=True, slots=True)
class Tally:
    """Of all processes together. `seconds`: from the first start to the last end. `cpu_before_s`: by process."""

    done: int
    seconds: float
    cpu_before_s: dict[int, float]
    latencies_s: tuple[float, ...]


def read_tallies(folder: Path) -> Tally:
    """Those of the processes that have begun a job; what is half-written yet is left out."""
    done, firsts, lasts = 0, list[int](), list[int]()
    cpu: dict[int, float] = {}
    latencies: list[float] = []
    for file in folder.glob("*.tally"):
        words = memoryview(file.read_bytes()).cast("Q")
        if len(words) < HEAD or not words[1]:
            continue
        cpu[int(file.stem)] = words[3] / 1e9
        if not words[0]:
            continue
        done += words[0]
        firsts.append(words[1])
        lasts.append(words[2])
        latencies += [word / 1e9 for word in words[HEAD : HEAD + words[4]]]
    seconds = (max(lasts) - min(firsts)) / 1e9 if done else 0.0
    return Tally(done, seconds, cpu, tuple(latencies))
