"""Runs the drills, one line each, and writes docs/drills.md when all of them ran at full length.

make drills        or        python -m drills [--short] [--only D7,D9] [--list]
"""

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
from pathlib import Path

from drills.drill import Drill, Finding
from drills.every import EVERY
from drills.report import write_report
from drills.world import world

LONGEST_S = 900.0


def main() -> None:
    """Exit code 1: one of them failed."""
    options = _options()
    chosen = [drill for drill in EVERY if not options.only or drill.number in options.only.split(",")]
    if options.list:
        for drill in chosen:
            print(f"{drill.number:4} {drill.name} ({drill.promise})")
        return
    results = [(drill, *_run(drill, full=not options.short)) for drill in chosen]
    if not options.only and not options.short:
        write_report(results)
    sys.exit(0 if all(finding.passed for _, finding, _ in results) else 1)


def run_drill(drill: Drill, *, full: bool) -> Finding:
    """In a world of its own; what breaks it is a failure."""
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        try:
            return asyncio.run(_within(drill, Path(folder), full))
        except Exception as error:  # noqa: BLE001 — a drill that breaks has failed
            last = traceback.extract_tb(error.__traceback__)[-1]
            return Finding(False, f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})")


async def _within(drill: Drill, folder: Path, full: bool) -> Finding:
    async with asyncio.timeout(LONGEST_S), world(folder) as made:
        return await drill.run(made, full)


def _run(drill: Drill, *, full: bool) -> tuple[Finding, float]:
    began = time.monotonic()
    finding = run_drill(drill, full=full)
    took_s = time.monotonic() - began
    recovery = f", recovery p50 {finding.p50_s:.2f} s p99 {finding.p99_s:.2f} s" if finding.recoveries_s else ""
    counted = f"lost {finding.lost}, duplicates {finding.duplicates}, falsely failed {finding.falsely_failed}{recovery}"
    verdict = "passed" if finding.passed else "FAILED"
    print(f"{drill.number:4} {verdict} in {took_s:5.1f} s  {drill.name}: {counted}\n     {finding.said}", flush=True)
    return finding, took_s


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="drills", description="proofs of docs/promises.md")
    parser.add_argument("--short", action="store_true", help="the same in small, under two minutes")
    parser.add_argument("--only", metavar="D1,D2", help="only these")
    parser.add_argument("--list", action="store_true", help="name them")
    return parser.parse_args()


if __name__ == "__main__":
    main()
