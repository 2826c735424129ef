"""`barback work --processes`: each worker is a process of its own, which never outlives this one."""

import os
import signal
from collections.abc import Sequence

import structlog

from barback.cli.invocation import Invocation
from barback.cli.reloading import StopRequests
from barback.embedded.guarded_process import Command, GuardedProcess
from barback.errors import SettingsError
from barback.settings import Settings, load_settings
from barback.supervisor import Supervisor

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.work")

AFTER_GRACE_S = 3.0
"""How much longer than its grace a worker may take to end. Less than `barback dev` gives us."""


class WorkerProcess:
    """A `barback work` of this app; see `Child` in `supervisor.py`."""

    def __init__(self, invocation: Invocation, options: Sequence[str], deadline_s: float) -> None:
        self._told, ours = os.pipe()
        os.set_blocking(self._told, False)
        self._works = False
        arguments = invocation.command_line("work", *options, "--processes=1", f"--supervised={ours}")
        self._process = GuardedProcess(Command(arguments=arguments, deadline_s=deadline_s, inherited=(ours,)))
        os.close(ours)

    def works(self) -> bool:
        if not self._works and self._told >= 0:
            try:
                self._works = bool(os.read(self._told, 1))
            except BlockingIOError:
                return False
        return self._works

    def exit_code(self) -> int | None:
        code = self._process.exit_code()
        if code is not None and self._told >= 0:
            self.works()
            os.close(self._told)
            self._told = -1
            self._process.stop()
        return code

    def send(self, number: signal.Signals) -> None:
        self._process.send(number)


def own_settings(invocation: Invocation) -> Settings:
    """Barback's settings alone: who supervises has no use for the app, which may be large.

    :raises SettingsError: names every wrong one, the app's too.
    """
    try:
        return load_settings(Settings)
    except SettingsError:
        return invocation.settings


def supervise(
    invocation: Invocation, settings: Settings, processes: int, options: Sequence[str], health_port: int | None
) -> int:
    """Run so many workers with these options of `barback work` until we are asked to stop; the exit code.

    `health_port`: of the first; each other answers at the next one. None: as the settings say.
    """
    patience_s = settings.grace_s + AFTER_GRACE_S
    first = health_port or settings.health_port

    def start(number: int) -> WorkerProcess:
        told = [] if first is None else [f"--health-port={first + number - 1}"]
        return WorkerProcess(invocation, [*options, *told], patience_s)

    supervisor = Supervisor(start, processes, patience_s)
    with StopRequests() as stop:
        log.info("supervisor started", processes=processes)
        code = supervisor.run(lambda: stop.count)
        log.info("supervisor stopped", exit_code=code)
    return code
