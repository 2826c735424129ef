"""A process and all that it started: their CPU time, their memory, their end. Read from /proc."""

import contextlib
import os
import signal
import time
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
GONE_WITHIN_S = 10.0

CpuByProcess = dict[int, float]


def find_tree(roots: list[int]) -> list[int]:
    """The processes and their descendants that live now."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found, rest = list[int](), list(roots)
    while rest:
        pid = rest.pop()
        rest += children.get(pid, [])
        if _lives(pid):
            found.append(pid)
    return found


def cpu_of(pids: list[int]) -> CpuByProcess:
    """CPU seconds of each since its start, with those of its children that have ended."""
    used: CpuByProcess = {}
    for pid in pids:
        if fields := _stat(pid):
            used[pid] = sum(int(ticks) for ticks in fields[11:15]) * TICK_S
    return used


def peak_memory_mb(pids: list[int]) -> float:
    """The sum of what each held at most (VmHWM), in MB of 2**20 bytes."""
    return sum(_memory_kb(pid, "VmHWM:") for pid in pids) / 1024


def memory_mb(pids: list[int]) -> float:
    """The sum of what each holds now (VmRSS), in MB of 2**20 bytes."""
    return sum(_memory_kb(pid, "VmRSS:") for pid in pids) / 1024


def kill(pids: list[int]) -> None:
    """At once, and wait until they are gone: what they used must not be counted as the next one's."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + GONE_WITHIN_S
    while any(_lives(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.005)


def _lives(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[0] != "Z"


def _memory_kb(pid: int, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0


def _stat(pid: int) -> list[str]:
    """From its state on: the name before it may hold blanks. Empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []
