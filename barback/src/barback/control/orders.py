"""What somebody asks to be done to jobs: to one, to several, or to all that match.

Who wants what is in the audit log before the first job is touched, and what came of it afterwards: if Redis goes away
in between, or this process does, the first of the two entries is there.
"""

import contextlib
from dataclasses import dataclass
from typing import Protocol

from barback.board import Board
from barback.control import audit
from barback.control.actions import Chosen, Progress, Selection, apply
from barback.errors import BarbackError
from barback.inspector import Action, Operator

TOLD_IDS = 10
"""Of several jobs the audit log names so many."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done, for whom. `did`, `subject`: as the audit log says them: `retry`; ids, a query, a group."""

    selection: Selection
    action: Action
    did: str
    who: str = ""
    subject: str = ""

    @property
    def queue(self) -> str:
        return self.selection.queue if isinstance(self.selection, Chosen) else self.selection.listing.queue

    @property
    def jobs(self) -> tuple[str, ...]:
        """Those that the audit log names; none of all that match."""
        targets = self.selection.targets if isinstance(self.selection, Chosen) else ()
        return tuple(target.job_id for target in targets[:TOLD_IDS])


class Store(Protocol):
    """Where jobs are acted on, and written down who did it."""

    @property
    def inspector(self) -> Operator: ...

    @property
    def board(self) -> Board: ...


async def carry_out(store: Store, order: Order) -> Progress:
    """Do it now, and say what came of it: for so few jobs that somebody can wait for them.

    :raises InvalidOptions: the action cannot be done in that state.
    """
    await record_begin(store, order)
    progress = Progress()
    try:
        async for told in apply(store.inspector, order.selection, order.action):
            progress = told
    finally:
        await record_end(store, order, progress)
    return progress


async def record_begin(store: Store, order: Order) -> None:
    """Write down what is about to be done."""
    await _record(store, order, f"begin {order.did}", 0, 0)


async def record_end(store: Store, order: Order, progress: Progress) -> None:
    """Write down what came of it, if that is possible: done it is all the same."""
    with contextlib.suppress(BarbackError):
        await _record(store, order, order.did, progress.done, progress.skipped + progress.failed)


async def _record(store: Store, order: Order, did: str, count: int, refused: int) -> None:
    action = audit.Action(order.who, did, order.queue, order.subject, count, refused, order.jobs)
    await audit.record(store.board, action)
