"""One run of one peer, measured from outside: its tallies, /proc and the server's INFO."""

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.environments import PEERS
from bench.failures import PeerFailed
from bench.roster import Peer
from bench.run import Run
from bench.server import Server, Spent
from bench.tally import Tally, read_tallies
from bench.tree import CpuByProcess, cpu_of, find_tree, kill, memory_mb, peak_memory_mb

POLL_S = 0.02
FIRST_JOB_WITHIN_S = 30.0
STANDS_STILL_S = 20.0
ADDED_WITHIN_S = 600.0
WARM_UP_JOBS = 10

Measurement = dict[str, float]


@dataclass(frozen=True, slots=True)
class Place:
    """A peer with the folder of its programs, and the server that it works on."""

    peer: Peer
    programs: Path
    server: Server


def measure_working(place: Place, run: Run, longest_s: float) -> Measurement:
    """Enqueue the jobs, start the worker, measure from its first job to its last, or for `longest_s`.

    :raises PeerFailed: it does no job, or no more, or its program ends.
    """
    added = measure_adding(place, replace(run, mode="bulk"))
    with _working(place, run) as workers:
        before = _begin(place, run, workers)
        _wait_for(place, run, workers, run.jobs // 4, longest_s / 4)
        quarter_mb = memory_mb(find_tree(workers.roots))
        tally = _wait_for(place, run, workers, run.jobs, longest_s * 3 / 4)
        pids = find_tree(workers.roots)
        end_mb = memory_mb(pids)
        cpu_s, peak_mb = before.cpu_until_now(pids), peak_memory_mb(pids)
        redis = place.server.spent().since(before.redis)
    jobs, seen = tally.done - before.done, tally.done - before.seen
    return {
        "jobs": jobs,
        "added_per_s": added["jobs_per_s"],
        "adding_cpu_us": added["adder_cpu_us"] + added["redis_cpu_us"],
        "jobs_per_s": jobs / (tally.last_ns - before.at_ns) * 1e9,
        "worker_cpu_us": cpu_s / jobs * 1e6,
        "redis_cpu_us": redis.cpu_s / seen * 1e6,
        "redis_commands": redis.commands / seen,
        "quarter_mb": quarter_mb,
        "end_mb": end_mb,
        "peak_mb": peak_mb,
    }


def measure_adding(place: Place, run: Run) -> Measurement:
    """`run.mode` says how the jobs are added; nobody works them.

    :raises PeerFailed: its program fails.
    """
    place.server.empty()
    before = place.server.spent()
    added = _add(place, run)
    redis = place.server.spent().since(before)
    return {
        "jobs": run.jobs,
        "jobs_per_s": run.jobs / added["seconds"],
        "adder_cpu_us": added["cpu_s"] / run.jobs * 1e6,
        "redis_cpu_us": redis.cpu_s / run.jobs * 1e6,
        "redis_commands": redis.commands / run.jobs,
    }


def measure_latency(place: Place, run: Run) -> Measurement:
    """From the call of an enqueue in one process to the start of the handler in another, which had nothing to do.

    :raises PeerFailed: it does no job, or not all of them.
    """
    place.server.empty()
    with _working(place, run) as workers:
        _add(place, replace(run, mode="bulk", jobs=WARM_UP_JOBS))
        _wait_for(place, run, workers, WARM_UP_JOBS, FIRST_JOB_WITHIN_S)
        _add(place, run)
        tally = _wait_for(place, run, workers, WARM_UP_JOBS + run.jobs, STANDS_STILL_S)
    latencies = sorted(tally.latencies_s)
    if len(latencies) < run.jobs:
        raise PeerFailed(f"{place.peer.name}: {len(latencies)} of {run.jobs} jobs started.")
    return {
        "jobs": run.jobs,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[len(latencies) * 99 // 100] * 1000,
    }


@dataclass(frozen=True, slots=True)
class _Workers:
    processes: list[subprocess.Popen[bytes]]
    log: Path

    @property
    def roots(self) -> list[int]:
        return [process.pid for process in self.processes]

    def last_words(self) -> str:
        """The last line of what they said."""
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@contextlib.contextmanager
def _working(place: Place, run: Run) -> Generator[_Workers]:
    for old in Path(run.tallies).iterdir():
        old.unlink()
    with tempfile.NamedTemporaryFile(prefix="bench-", suffix=".log") as log:
        workers = _Workers([], Path(log.name))
        try:
            for command in place.peer.workers(place.programs, run):
                workers.processes.append(
                    subprocess.Popen(
                        command, cwd=place.peer.folder, env=_environment(place, run), stdout=log, stderr=log
                    )
                )
            yield workers
        finally:
            kill(find_tree(workers.roots))
            for process in workers.processes:
                process.wait()


@dataclass(frozen=True, slots=True)
class _Beginning:
    """Of what is measured: when, the jobs done by then, and what each process had used by then.

    `seen`: the jobs done when we looked, a moment later, and saw what Redis had spent by then.
    """

    at_ns: int
    done: int
    cpu_s: CpuByProcess
    seen: int
    redis: Spent

    def cpu_until_now(self, pids: list[int]) -> float:
        """CPU seconds of these since."""
        return sum(used - self.cpu_s.get(pid, 0.0) for pid, used in cpu_of(pids).items())


def _begin(place: Place, run: Run, workers: _Workers) -> _Beginning:
    """One process: from its first job on, with what it says that it had used by then (its libraries are loaded). More:
    from when each of them has done a job, for none waits for the other."""
    tally = _wait_for(place, run, workers, 1, FIRST_JOB_WITHIN_S)
    while len(tally.cpu_before_s) < run.processes and tally.done < run.jobs:
        tally = _wait_for(place, run, workers, tally.done + 1, STANDS_STILL_S)
    redis, pids = place.server.spent(), find_tree(workers.roots)
    if tally.done >= run.jobs:
        raise PeerFailed(f"{place.peer.name}: {run.jobs} jobs were done before {run.processes} processes were seen.")
    if run.processes > 1:
        return _Beginning(tally.last_ns, tally.done, cpu_of(pids), tally.done, redis)
    return _Beginning(tally.first_ns, 0, {**cpu_of(pids), **tally.cpu_before_s}, tally.done, redis)


def _wait_for(place: Place, run: Run, workers: _Workers, jobs: int, longest_s: float) -> Tally:
    """Until so many jobs are done, or `longest_s` are over and at least one is."""
    began = moved = time.monotonic()
    done = 0
    while True:
        tally = read_tallies(Path(run.tallies))
        now = time.monotonic()
        if tally.done > done:
            done, moved = tally.done, now
        if done >= jobs or (done and now - began >= longest_s):
            return tally
        ended = any(process.poll() is not None for process in workers.processes)
        if ended or now - moved > STANDS_STILL_S:
            what = "its program ended" if ended else f"it stood still for {STANDS_STILL_S:.0f} s"
            raise PeerFailed(f"{place.peer.name}: {what} after {done} jobs: {workers.last_words()}")
        time.sleep(POLL_S)


def _add(place: Place, run: Run) -> dict[str, float]:
    """`seconds` and `cpu_s` that it took, its start not counted."""
    command = place.peer.adder(place.programs)
    try:
        done = subprocess.run(
            command,
            cwd=place.peer.folder,
            env=_environment(place, run),
            capture_output=True,
            text=True,
            timeout=ADDED_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PeerFailed(f"{place.peer.name}: {run.jobs} jobs were not added in {ADDED_WITHIN_S:.0f} s.") from error
    if done.returncode:
        raise PeerFailed(f"{place.peer.name}: cannot add jobs: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def _environment(place: Place, run: Run) -> dict[str, str]:
    url, _, database = run.redis_url.rpartition("/")
    # Compiled once, as wherever programs are installed: else each start compiles all of it, and holds 12 MB more.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **inherited,
        "BENCH_RUN": run.as_json(),
        "BENCH_NODE_MODULES": str(place.programs),
        "PYTHONPATH": f"{PEERS / 'every'}:{place.peer.folder}",
        # barback's settings; the others are given the whole URL by BENCH_RUN.
        "REDIS_URL": url,
        "REDIS_DB": database,
    }
