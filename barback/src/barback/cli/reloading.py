"""Keeps a worker running as a child process, and starts it anew when code changes."""

import importlib.util
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from types import FrameType

import click

from barback.cli.app_lookup import source_folders
from barback.cli.invocation import Invocation
from barback.embedded.guarded_process import GuardedProcess

POLL_S = 0.1
AFTER_GRACE_S = 5.0
"""How much longer than its grace a worker may take to end."""
INTERRUPTED = 130
STEPS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
"""Two different ones ask it: two that are alike, sent while it has no time to look, reach it as one."""


class StopRequests:
    """Counts SIGINT, SIGTERM and SIGHUP while it is entered."""

    def __init__(self) -> None:
        self.count = 0
        self.event = threading.Event()

    def __enter__(self) -> "StopRequests":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)
        return self

    def __exit__(self, *_error: object) -> None:
        # What is left to do is stopping servers; one more Ctrl-C may cut that short, and their guards finish it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.default_int_handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.event.set()


def run_reloading(invocation: Invocation, start: Callable[[], GuardedProcess], reload: bool) -> int:
    """Run the child that `start` starts until we are asked to stop; the exit code, 0 if all was drained.

    Without `reload` it ends when the child does. With it a child that ended waits for the next change.
    """
    if reload and importlib.util.find_spec("watchfiles") is None:
        click.echo("reload is off: install barback[dev]", err=True)
        reload = False
    folders = source_folders(invocation.app, invocation.full_app_path) if reload else []
    patience_s = invocation.settings.grace_s + AFTER_GRACE_S
    with StopRequests() as stop:
        worker = _Worker(start, stop, patience_s)
        for changed in _changes(folders, stop):
            if changed:
                worker.restart(changed)
            elif (code := worker.ended()) is not None:
                if not reload:
                    return code
                worker.tell_end(code)
        return worker.drain()


class _Worker:
    """The child, and whether its end was told."""

    def __init__(self, start: Callable[[], GuardedProcess], stop: StopRequests, patience_s: float) -> None:
        self._start = start
        self._stop = stop
        self._patience_s = patience_s
        self._child = start()
        self._told = False

    def ended(self) -> int | None:
        """Its exit code, if it ended by itself."""
        return self._child.exit_code()

    def tell_end(self, code: int) -> None:
        """Say once that it ended, and what now."""
        if not self._told:
            click.echo(f"the worker ended with exit code {code}; it starts again when code changes", err=True)
        self._told = True

    def restart(self, changed: Sequence[Path]) -> None:
        names = ", ".join(sorted({path.name for path in changed}))
        click.echo(f"{names} changed: starting the worker anew", err=True)
        self.drain()
        if not self._stop.count:
            self._child = self._start()
            self._told = False

    def drain(self) -> int:
        """Let it finish its jobs; each further request to stop is passed on, the third kills. 0 if it drained."""
        asked = 0
        end = time.monotonic() + self._patience_s
        while self._child.exit_code() is None and time.monotonic() < end and asked < 3:
            if asked < max(1, self._stop.count):
                self._child.send(STEPS[asked])
                asked += 1
            time.sleep(POLL_S / 5)
        self._child.stop()
        return INTERRUPTED if self._stop.count > 1 else 0


def _changes(folders: Sequence[Path], stop: StopRequests) -> Generator[list[Path]]:
    """What changed, again and again until a stop is asked for; an empty list every moment when nothing did."""
    if not folders:
        while not stop.event.wait(POLL_S):
            yield []
        return
    from watchfiles import PythonFilter, watch

    timeout_ms = int(POLL_S * 1000)
    for changes in watch(
        *folders,
        watch_filter=PythonFilter(),
        stop_event=stop.event,
        rust_timeout=timeout_ms,
        yield_on_timeout=True,
        debounce=400,
        raise_interrupt=False,
        ignore_permission_denied=True,  # Postgres's data lie in the project and may be another user's.
    ):
        if stop.count:
            return
        yield [Path(path) for _, path in changes]
