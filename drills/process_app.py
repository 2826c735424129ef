"""An app of its own for the job that runs in a process, so that only its drill needs that."""

from typing import Any

from barback import App, Context, job, no_services
from drills.app import QUEUE, Note, hold_gil

IN_A_PROCESS: dict[str, Any] = {"runs_in": "process"}


@job("hold-in-process", queue=QUEUE, **IN_A_PROCESS)
def hold_in_process(payload: Note, ctx: Context[None]) -> None:
    """A C call that keeps the GIL of its own process."""
    hold_gil(payload, ctx)


app = App(jobs=[hold_in_process], services=no_services, name="drills-in-a-process")
