"""barback beside npm bullmq's own worker: the same jobs, the same Redis, in turn; medians and their ratio.

    make bench        or        python -m bench [--jobs 10000] [--concurrency 100] [--rounds 3]

Absolute figures move with the machine; the ratio of one run is what counts. Ends with one JSON line.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
from pathlib import Path

from barback import Context, NoPayload, Producer, job
from barback.bullmq import BullMQBroker
from barback.embedded import EmbeddedValkey

HERE = Path(__file__).parent
NODE_MODULES = HERE.parent / "barback" / "tests" / "node" / "node_modules"
LONGEST_S = 300

Cost = dict[str, float]


def main() -> None:
    """Run all rounds and print the table."""
    options = _options()
    costs: dict[str, list[Cost]] = {"barback": [], "node": []}
    with EmbeddedValkey(port=0) as valkey:
        port = str(valkey.port)
        for turn in range(options.rounds):
            for peer, rounds in costs.items():
                queue = f"bench-{peer}-{turn}"
                asyncio.run(_enqueue(port, queue, options.jobs))
                rounds.append(_measure(_command(peer, port, queue, options.jobs, options.concurrency)))
    medians = {peer: _medians(rounds) for peer, rounds in costs.items()}
    ours, node = medians["barback"], medians["node"]
    for peer, median in medians.items():
        line = f"{peer:8}  {options.jobs / median['seconds']:8,.0f} jobs/s  "
        line += f"{median['cpu_s'] / options.jobs * 1e6:6,.0f} µs of worker CPU a job  {median['rss_mb']:5.0f} MB"
        print(line)  # noqa: T201
    ratios = {
        "jobs_per_s": round(node["seconds"] / ours["seconds"], 2),
        "worker_cpu": round(ours["cpu_s"] / node["cpu_s"], 2),
        "rss": round(ours["rss_mb"] / node["rss_mb"], 2),
    }
    print(json.dumps({"barback_to_node": ratios}))  # noqa: T201


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="barback beside Node's own worker")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


async def _enqueue(port: str, queue: str, jobs: int) -> None:
    @job("no-op", queue=queue)
    async def no_op(payload: NoPayload, ctx: Context[None]) -> None:
        return None

    broker = BullMQBroker(f"redis://127.0.0.1:{port}")
    await broker.open()
    await Producer(broker).many(no_op, (NoPayload() for _ in range(jobs)))
    await broker.close()


def _command(peer: str, port: str, queue: str, jobs: int, concurrency: int) -> list[str]:
    if peer == "node":
        script = str(HERE / "node_worker.cjs")
        return ["node", script, str(NODE_MODULES), port, queue, str(jobs), str(concurrency)]
    return [sys.executable, "-m", "bench.barback_worker", port, queue, str(concurrency)]


def _measure(command: list[str]) -> Cost:
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=LONGEST_S, check=True)  # noqa: S603 — our own
    cost: Cost = json.loads(done.stdout.splitlines()[-1])
    return cost


def _medians(costs: list[Cost]) -> Cost:
    return {name: statistics.median(cost[name] for cost in costs) for name in costs[0]}


if __name__ == "__main__":
    main()
