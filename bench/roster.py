"""The peers: how each is started, at its best documented settings, and where those are documented."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.environments import OURS, PEERS
from bench.run import Run

Commands = list[list[str]]


@dataclass(frozen=True, slots=True)
class Peer:
    """`workers`, `adder`: the commands, given the folder of the peer's programs. `most_jobs`: no more are enqueued for
    it, because it is slow; it is measured for some seconds in any case.
    """

    name: str
    title: str
    packages: tuple[str, ...]
    settings: str
    source: str
    acknowledges: str
    workers: Callable[[Path, Run], Commands]
    adder: Callable[[Path], list[str]]
    most_jobs: int = 1_000_000
    adds_in_bulk: bool = True

    @property
    def folder(self) -> Path:
        """Where its program is; programs run there."""
        return PEERS / self.name


def _python_adder(bin_folder: Path) -> list[str]:
    return [str(bin_folder / "python"), "program.py", "add"]


def _same(command: list[str], run: Run) -> Commands:
    return [command] * run.processes


BARBACK = Peer(
    name=OURS,
    title="barback",
    packages=("barback",),
    settings="`barback work --concurrency N`, one process each, all else as it is without being told; `enqueue.many`",
    source="README.md",
    acknowledges="after the job",
    workers=lambda folder, run: _same(
        [str(folder / "barback"), "--app", "program:app", "work", f"--concurrency={run.concurrency}"], run
    ),
    adder=_python_adder,
)

NODE = Peer(
    name="node",
    title="Node bullmq",
    packages=("bullmq", "ioredis"),
    settings="`new Worker(queue, processor, { connection, concurrency: N })`, one process each; `addBulk` of 1,000",
    source="https://docs.bullmq.io/guide/workers/concurrency",
    acknowledges="after the job",
    workers=lambda _, run: _same(["node", "program.cjs", "work"], run),
    adder=lambda _: ["node", "program.cjs", "add"],
)

STOCK = Peer(
    name="stock",
    title="Python bullmq",
    packages=("bullmq", "redis"),
    settings='`Worker(queue, process, {"connection": url, "concurrency": N})`, one process each',
    source="https://docs.bullmq.io/python/introduction",
    acknowledges="after the job",
    workers=lambda folder, run: _same([str(folder / "python"), "program.py", "work"], run),
    adder=_python_adder,
    most_jobs=2_500,
)

TASKIQ = Peer(
    name="taskiq",
    title="taskiq",
    packages=("taskiq", "taskiq-redis", "redis", "uvloop"),
    settings="`RedisStreamBroker`, no result backend, pydantic payload; `taskiq worker --workers P --max-async-tasks N "
    "--max-prefetch N`, uvloop; 32 `kiq` under way instead of a bulk call",
    source="https://taskiq-python.github.io/guide/cli.html",
    acknowledges="after the job",
    workers=lambda folder, run: [
        [
            *(str(folder / "taskiq"), "worker", "program:broker", f"--workers={run.processes}"),
            *(f"--max-async-tasks={run.concurrency}", f"--max-prefetch={run.concurrency}"),
        ]
    ],
    adder=_python_adder,
    most_jobs=5_000,
)

DRAMATIQ = Peer(
    name="dramatiq",
    title="dramatiq",
    packages=("dramatiq", "redis"),
    settings="`RedisBroker`, default middleware; `dramatiq --processes P --threads T`, T: N for jobs that wait, "
    "else its default of 8 at most (more are slower), `dramatiq_queue_prefetch=128`; no bulk call",
    source="https://dramatiq.io/reference.html",
    acknowledges="after the job",
    workers=lambda folder, run: [
        [
            *(
                "env",
                f"dramatiq_queue_prefetch={128 if run.mode == 'work' else 0}",
                str(folder / "dramatiq"),
                "program",
            ),
            f"--processes={run.processes}",
            f"--threads={run.concurrency if run.io_ms else min(run.concurrency, 8)}",
        ]
    ],
    adder=_python_adder,
    most_jobs=8_000,
    adds_in_bulk=False,
)

ARQ = Peer(
    name="arq",
    title="arq",
    packages=("arq", "redis"),
    settings="`max_jobs = N`, `poll_delay = 0.001`, `keep_result = 0`, `log_results = False`; one process each; 32 "
    "`enqueue_job` under way instead of a bulk call",
    source="https://arq-docs.helpmanual.io/",
    acknowledges="after the job",
    workers=lambda folder, run: _same([str(folder / "arq"), "program.WorkerSettings"], run),
    adder=_python_adder,
    most_jobs=2_000,
)

SAQ = Peer(
    name="saq",
    title="SAQ",
    packages=("saq", "redis", "hiredis"),
    settings="`saq --quiet program.settings --workers P`, `concurrency: N`, hiredis; 32 `enqueue` under way instead "
    "of a bulk call",
    source="https://saq-py.readthedocs.io/",
    acknowledges="after the job",
    workers=lambda folder, run: [[str(folder / "saq"), "program.settings", "--quiet", "--workers", str(run.processes)]],
    adder=_python_adder,
    most_jobs=3_000,
)

STREAQ = Peer(
    name="streaq",
    title="streaQ",
    packages=("streaq", "coredis", "uvloop"),
    settings="`Worker(concurrency=N)` (prefetch: the same), uvloop, coredis optimized, `ttl=0`; `streaq run "
    "program:worker --workers P`; `enqueue_many` of 1,000",
    source="https://streaq.readthedocs.io/en/latest/worker.html",
    acknowledges="after the job",
    workers=lambda folder, run: [[str(folder / "streaq"), "run", "program:worker", f"--workers={run.processes}"]],
    adder=_python_adder,
    most_jobs=3_000,
)

CELERY = Peer(
    name="celery",
    title="Celery",
    packages=("celery", "kombu", "redis"),
    settings="`--pool=threads --concurrency=N` (faster than `solo`, no slower than `prefork`), prefetch 64 for each, "
    "`task_ignore_result`, without gossip, mingle and heartbeat; one process each; no bulk call",
    source="https://docs.celeryq.dev/en/stable/userguide/optimizing.html",
    acknowledges="before the job",
    workers=lambda folder, run: [
        [
            *(str(folder / "celery"), "--app=program", "worker", f"--hostname=worker{number}"),
            *("--pool=threads", f"--concurrency={run.concurrency}"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=warning"),
        ]
        for number in range(run.processes)
    ],
    adder=_python_adder,
    most_jobs=2_000,
    adds_in_bulk=False,
)

RQ_PROCESSES = 10
RQ = Peer(
    name="rq",
    title="RQ",
    packages=("rq", "redis"),
    settings="`rq worker-pool --worker-class rq.worker.SimpleWorker --serializer json`; a process has no "
    f"concurrency: N of them, but {RQ_PROCESSES} at most; `result_ttl=0`; `enqueue_many` of 1,000",
    source="https://github.com/rq/rq/blob/master/docs/benchmark.md",
    acknowledges="before the job",
    workers=lambda folder, run: [
        [
            *(str(folder / "rq"), "worker-pool", run.queue, f"--url={run.redis_url}", "--quiet", "--serializer=json"),
            "--worker-class=rq.worker.SimpleWorker",
            f"--num-workers={run.processes * min(run.concurrency, RQ_PROCESSES)}",
        ]
    ],
    adder=_python_adder,
    most_jobs=1_000,
)

MAIN = (BARBACK, NODE)
QUICK = (*MAIN, STOCK)
ALL = (*QUICK, TASKIQ, STREAQ, SAQ, ARQ, CELERY, DRAMATIQ, RQ)
