"""What a check found."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]
"""error: jobs are lost, late, or not run. warning: it works today, and need not tomorrow."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One trouble: what is wrong, as a sentence, and what to do about it."""

    check: str
    level: Level
    text: str
    advice: str
