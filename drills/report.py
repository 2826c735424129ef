"""docs/drills.md, written from what the drills found."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from drills.drill import Drill, Finding
from drills.servers import program

FILE = Path(__file__).parent.parent / "docs" / "drills.md"

HEAD = """# Drills

What happened when it was tried: real workers and real servers, killed, stopped, cut off, filled. `make drills` runs
all of them and writes this page; `make test` runs each in small. P-numbers are those of [promises.md](promises.md).

Run on {day}: {machine}, {python}, {server}, bullmq {bullmq}.

| | Drill | Promise | Passes if | Lost | Duplicates | Falsely failed | Recovery p50 / p99 | Outcome |
|---|---|---|---|---|---|---|---|---|
"""


def write_report(results: Sequence[tuple[Drill, Finding, float]]) -> None:
    """One row a drill, with the command that repeats it."""
    FILE.write_text(_head() + "".join(_row(*result) for result in results) + _details(results), "utf-8")


def _head() -> str:
    said = subprocess.run([program(), "--version"], capture_output=True, text=True, check=True).stdout.split()
    return HEAD.format(
        day=datetime.now(UTC).date().isoformat(),
        machine=f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        python=f"Python {sys.version.split()[0]}",
        server=" ".join(said[:3]),
        bullmq=version("bullmq"),
    )


def _row(drill: Drill, finding: Finding, _took_s: float) -> str:
    recovery = f"{finding.p50_s:.2f} s / {finding.p99_s:.2f} s" if finding.recoveries_s else "-"
    verdict = "passed" if finding.passed else "**failed**"
    cells = [
        drill.number,
        drill.name,
        drill.promise,
        drill.passes,
        str(finding.lost),
        str(finding.duplicates),
        str(finding.falsely_failed),
        recovery,
        f"{verdict}: {finding.said}",
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _details(results: Sequence[tuple[Drill, Finding, float]]) -> str:
    lines = ["\n## Repeating one\n\n"]
    for drill, _, took_s in results:
        # Only the first paragraph of what the drill says of itself.
        told = (drill.run.__doc__ or "").strip().splitlines()[0]
        lines.append(f"- **{drill.number}** `python -m drills --only {drill.number}` ({took_s:.0f} s). {told}\n")
    return "".join(lines)
