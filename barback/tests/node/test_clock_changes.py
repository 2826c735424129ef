"""Where Node's cron library has other slots than ours when clocks change (`engine/clock_changes.py`).

Whoever makes the next job decides, so a queue that both sides tick follows both rules. docs/schedules.md tells of it.
"""

import json
import subprocess
from pathlib import Path

import pytest
from engine.clock_changes import Case, cases, slots_of

HERE = Path(__file__).parent
DIFFERENT = HERE / "clock_changes_of_node.txt"


def by_node(some: list[Case]) -> list[list[float]]:
    told = [{"pattern": c.pattern, "tz": c.zone, "since": c.since, "until": c.until} for c in some]
    answer = subprocess.run(
        ["node", "cron_slots.cjs"], cwd=HERE, input=json.dumps(told), capture_output=True, text=True, check=True
    )
    return json.loads(answer.stdout)


@pytest.mark.slow
def test_node_has_the_same_slots_but_for_those_of_the_list() -> None:
    some = list(cases())
    both = zip(some, by_node(some), strict=True)
    different = [case.told(node) for case, node in both if node != slots_of(case)]
    assert different == DIFFERENT.read_text("utf-8").splitlines()
