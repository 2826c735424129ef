"""Each drill in small, as a test; at full length in `make test-full`."""

import pytest

from drills.__main__ import run_drill
from drills.drill import Drill
from drills.every import EVERY

by_name = pytest.mark.parametrize(
    "drill",
    [
        pytest.param(drill, id=f"{drill.number} {drill.name}", marks=[pytest.mark.alone] if drill.alone else [])
        for drill in reversed(EVERY)  # the last is the longest: begun last it would be waited for
    ],
)


@by_name
def test_the_promise_holds_in_small(drill: Drill) -> None:
    finding = run_drill(drill, full=False)
    assert finding.passed, finding


@pytest.mark.slow
@by_name
def test_the_promise_holds_at_full_length(drill: Drill) -> None:
    finding = run_drill(drill, full=True)
    assert finding.passed, finding
