"""The job that runs here: in this task, in this thread, in this process. Log lines are told it."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol


class Running(Protocol):
    """What is told of it. A `FetchedJob` is one."""

    name: str
    id: str
    attempt: int


@dataclass(slots=True)
class Elsewhere:
    """One that was fetched by another process."""

    name: str
    id: str
    attempt: int


CURRENT: ContextVar[Running | None] = ContextVar("barback_current_job", default=None)
"""Set once for each attempt, in a context that ends with it: nothing has to take it back."""
