"""docs/from-node.md leans on nothing that is not there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/from-node.md").read_text()


def test_each_test_that_it_names_is_there() -> None:
    defined = "".join(file.read_text() for file in (ROOT / "barback/tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", PAGE)
    assert len(named) >= 7
    assert [name for name in named if f"def {name}(" not in defined] == []


def test_each_promise_that_it_names_is_given() -> None:
    given = set(re.findall(r"^\*\*(P\d+) ", (ROOT / "docs/promises.md").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bP\d+\b", PAGE))
    assert len(named) > 10
    assert named - given == set()
