"""Everything a drill plays with: servers, workers as real processes, a broker to add with, the ledger."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from barback.broker import ListedState, NewJob
from barback.bullmq import BullMQBroker
from barback.embedded import EmbeddedPostgres
from barback.errors import BarbackError
from barback.options import JobOptions, Retention
from cafes.migrate import migrate
from drills.app import Deed, Note
from drills.ledger import VARIABLE, Ledger
from drills.proxy import Proxy
from drills.servers import Fsync, Valkey

ROOT = Path(__file__).parent.parent
POLL_S = 0.02
READY_WITHIN_S = 20.0

Settings = Mapping[str, object]
NONE: Settings = {}


class WorkerProcess:
    """`barback work`, as it runs in production."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def code(self) -> int | None:
        return self.process.returncode

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def kill(self) -> None:
        self.send(signal.SIGKILL)
        await self.process.wait()

    async def ended(self, within_s: float) -> float:
        """Seconds until it ended by itself.

        :raises TimeoutError: it did not.
        """
        began = time.monotonic()
        async with asyncio.timeout(within_s):
            await self.process.wait()
        return time.monotonic() - began

    def events(self, start: str = "") -> list[dict[str, Any]]:
        """What it logged, by the beginning of the message."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if str(line.get("event", "")).startswith(start)]


@dataclass(slots=True)
class World:
    """One drill's. Made with `world()`."""

    folder: Path
    stack: AsyncExitStack
    ledger: Ledger
    queue: str = "drills"

    def on_queue(self, queue: str) -> "World":
        """The same, its workers and producers on another queue."""
        return replace(self, queue=queue)

    def beside(self, name: str) -> "World":
        """One of its own within this one, which ends it."""
        folder = self.folder / name
        folder.mkdir()
        return World(folder, self.stack, Ledger(folder / "ledger"))

    async def server(self, *options: str, fsync: Fsync = "always", folder: Path | None = None) -> Valkey:
        place = folder or self.folder / f"server-{time.monotonic_ns()}"
        place.mkdir(exist_ok=True)
        server = Valkey(place, *options, fsync=fsync)
        await asyncio.to_thread(server.start)
        self.stack.callback(server.stop)
        return server

    async def database(self) -> str:
        """The address of a Postgres with cafes' migrations."""
        server = EmbeddedPostgres()
        await asyncio.to_thread(server.__enter__)
        self.stack.callback(server.__exit__, None, None, None)
        await asyncio.to_thread(migrate, server.url)
        return server.url

    async def proxy(self, server: Valkey) -> Proxy:
        return await self.stack.enter_async_context(Proxy(server.url))

    async def broker(self, url: str) -> BullMQBroker:
        broker = BullMQBroker(url)
        await broker.open()
        self.stack.push_async_callback(broker.close)
        return broker

    async def worker(self, url: str, settings: Settings = NONE, arguments: Sequence[str] = ()) -> WorkerProcess:
        """Start one and wait until it works. `settings` by the names of their variables."""
        worker = await self.start_worker(url, settings, arguments)
        await until(lambda: worker.events("worker started") or worker.code is not None, READY_WITHIN_S)
        assert worker.code is None, worker.log.read_text()
        return worker

    async def workers(self, number: int, url: str, settings: Settings = NONE) -> list[WorkerProcess]:
        """So many at once."""
        return list(await asyncio.gather(*(self.worker(url, settings) for _ in range(number))))

    async def start_worker(self, url: str, settings: Settings = NONE, arguments: Sequence[str] = ()) -> WorkerProcess:
        log = self.folder / f"worker-{time.monotonic_ns()}.log"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("REDIS", "BARBACK"))},
            "REDIS_URL": url,
            "DRILLS_QUEUE": self.queue,
            VARIABLE: str(self.ledger.file),
            **{name: str(value) for name, value in settings.items()},
        }
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "barback.cli", "--app", "drills.app:app", "work", *arguments,
                cwd=ROOT, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        worker = WorkerProcess(process, log)
        self.stack.push_async_callback(worker.kill)
        return worker

    async def add(
        self,
        broker: BullMQBroker,
        numbers: Iterable[int],
        deed: Deed = "none",
        for_s: float = 0.0,
        times: int = 0,
        name: str = "note",
        options: JobOptions | None = None,
    ) -> None:
        """Add jobs `note`; the number is in the payload and is what the ledger knows them by. All finished are kept."""
        made = options or JobOptions(attempts=5, keep_completed=Retention())
        notes = [Note(number=number, deed=deed, for_s=for_s, times=times) for number in numbers]
        await broker.add([NewJob(self.queue, name, one.model_dump_json(), made) for one in notes])

    async def counts(self, broker: BullMQBroker) -> dict[ListedState, int]:
        """Without the states no job is in; empty while the broker is away."""
        try:
            return {state: n for state, n in (await broker.counts(self.queue)).items() if n}
        except BarbackError:
            return {}

    async def finished(self, broker: BullMQBroker, jobs: int, within_s: float) -> dict[ListedState, int]:
        """Wait until so many jobs are completed or failed; the counts then, or what they are when time is up."""

        async def look() -> bool:
            counts = await self.counts(broker)
            return counts.get("completed", 0) + counts.get("failed", 0) >= jobs

        with contextlib.suppress(TimeoutError):
            await eventually(look, within_s)
        return await self.counts(broker)


@asynccontextmanager
async def world(folder: Path) -> AsyncGenerator[World]:
    """An empty one; all that was started in it ends with it."""
    async with AsyncExitStack() as stack:
        yield World(folder, stack, Ledger(folder / "ledger"))


async def until(probe: Callable[[], object], within_s: float) -> float:
    """Look until it is true; seconds that took.

    :raises TimeoutError: it did not become so.
    """
    began = time.monotonic()
    while not probe():
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"not within {within_s:g} s")
        await asyncio.sleep(POLL_S)
    return time.monotonic() - began


async def eventually(probe: Callable[[], Awaitable[object]], within_s: float) -> float:
    """Ask until it is true; seconds that took. Raises as `until`."""
    began = time.monotonic()
    while not await probe():
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"not within {within_s:g} s")
        await asyncio.sleep(POLL_S)
    return time.monotonic() - began
