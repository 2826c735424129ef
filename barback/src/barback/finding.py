"""What a check found. Apps add checks of their own: see `App(checks=…)`."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]
"""error: jobs are lost, late, or not run. warning: it works today, and need not tomorrow."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One trouble: what is wrong, as a sentence, and what to do about it.

    `check`: the kind of trouble, a word: `schedules`, `database`. No secret may be in it.
    """

    check: str
    level: Level
    text: str
    advice: str


Check = Callable[[], Awaitable[Sequence[Finding]]]
"""Looks at one thing. What it raises is a finding, too."""
