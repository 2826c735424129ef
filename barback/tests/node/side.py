"""One queue as one BullMQ version in Node sees and changes it. Times and delays are BullMQ's milliseconds here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from barback.options import JobOptions

from .process import DEADLINE_S, Node
from .wire import opts_of


@dataclass(frozen=True, slots=True)
class NodeJob:
    """All that Node reads of one job, by BullMQ's own names."""

    id: str
    name: str
    data: Any
    opts: Mapping[str, Any]
    state: str
    returnvalue: Any = None
    failedReason: str | None = None  # noqa: N815
    stacktrace: Sequence[str] | None = None
    progress: Any = 0
    attemptsMade: int = 0  # noqa: N815
    attemptsStarted: int = 0  # noqa: N815
    stalledCounter: int = 0  # noqa: N815
    processedOn: int | None = None  # noqa: N815
    finishedOn: int | None = None  # noqa: N815
    priority: int = 0
    delay: int = 0
    timestamp: int = 0
    parentKey: str | None = None  # noqa: N815
    deduplicationId: str | None = None  # noqa: N815
    repeatJobKey: str | None = None  # noqa: N815
    logs: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class NodeQueue:
    """A queue in Node; `version` is BullMQ's (5 or 6). Workers and listeners started here end with `close`."""

    node: Node
    version: int
    name: str

    async def call(self, call: str, /, **args: Any) -> Any:
        return await self.node.call(self.version, self.name, call, **args)

    # Adding. `opts` are BullMQ's own.

    async def add(self, name: str, data: Any = None, /, **opts: Any) -> str:
        return await self.call("add", name=name, data={} if data is None else data, opts=opts)

    async def add_raw(self, name: str, data: Any, opts: Mapping[str, Any] | None = None) -> str:
        """As `add`, with None for null."""
        return await self.call("add", name=name, data=data, opts=opts or {})

    async def add_bulk(self, jobs: Sequence[Mapping[str, Any]]) -> list[str]:
        return await self.call("addBulk", jobs=jobs)

    async def add_flow(self, flow: Mapping[str, Any]) -> dict[str, Any]:
        """Ids in the shape of the flow: `{"id": …, "children": […]}`."""
        return await self.call("addFlow", flow=flow)

    async def enqueue(self, name: str, data: Any, options: JobOptions | None = None) -> str:
        """As in Python: a new job's id."""
        return await self.add_raw(name, data, opts_of(options or JobOptions()))

    # Working by itself: how is decided by a job's name, see `processors` in the driver.

    async def start_worker(self, **opts: Any) -> None:
        await self.call("startWorker", opts=opts)

    async def work(self, concurrency: int = 1) -> None:
        """As in Python: start a worker."""
        await self.start_worker(concurrency=concurrency, stalledInterval=100)

    async def stop_workers(self, *, force: bool = False) -> None:
        await self.call("stopWorkers", force=force)

    async def release(self, job_id: str) -> bool:
        """Let a `held` job end. False: it is not being worked here."""
        return await self.call("release", id=job_id)

    # Working by hand.

    async def take(self) -> str | None:
        """Fetch the next job and hold it; None: there is none."""
        return await self.call("take")

    async def finish(self, job_id: str, *, error: str | None = None) -> None:
        """Complete a taken job with its own data, or fail it with `error`."""
        await self.call("finish", id=job_id, error=error)

    # Looking.

    async def get(self, job_id: str) -> NodeJob:
        """:raises AssertionError: Node finds no such job."""
        found = await self.find(job_id)
        assert found is not None, f"Node {self.version} finds no job {job_id} in {self.name}"
        return found

    async def find(self, job_id: str) -> NodeJob | None:
        found: dict[str, Any] | None = await self.call("getJob", id=job_id)
        return NodeJob(**found) if found else None

    async def ids(self, *types: str) -> list[str]:
        return await self.call("getJobs", types=types)

    async def counts(self) -> dict[str, int]:
        return await self.call("counts")

    async def worker_names(self) -> list[str]:
        """The client names of the workers it finds."""
        return await self.call("workers")

    async def schedulers(self) -> list[dict[str, Any]]:
        return await self.call("schedulers")

    async def is_paused(self) -> bool:
        return await self.call("isPaused")

    async def errors(self) -> list[str]:
        """Every `error` event of what is open here."""
        return await self.call("errors")

    # Changing.

    async def pause(self) -> None:
        await self.call("pause")

    async def resume(self) -> None:
        await self.call("resume")

    async def remove(self, job_id: str) -> bool:
        return bool(await self.call("remove", id=job_id))

    async def retry(self, job_id: str, state: str = "failed") -> None:
        await self.call("retry", id=job_id, state=state)

    async def promote(self, job_id: str) -> None:
        await self.call("promote", id=job_id)

    async def change_priority(self, job_id: str, priority: int) -> None:
        await self.call("changePriority", id=job_id, priority=priority)

    async def change_delay(self, job_id: str, delay: int) -> None:
        await self.call("changeDelay", id=job_id, delay=delay)

    async def upsert_scheduler(
        self, scheduler_id: str, repeat: Mapping[str, Any], template: Mapping[str, Any]
    ) -> str | None:
        return await self.call("upsertScheduler", id=scheduler_id, repeat=repeat, template=template)

    async def remove_scheduler(self, scheduler_id: str) -> bool:
        return await self.call("removeScheduler", id=scheduler_id)

    # Events.

    async def listen(self) -> None:
        """Start a `QueueEvents` that reads this queue's stream from its start."""
        await self.call("listen")

    async def saw(self, event: str, job_id: str | None = None, /, **fields: Any) -> dict[str, Any]:
        """The first such event that QueueEvents has seen or sees before the deadline; starts listening if need be.

        :raises AssertionError: none came; names those that did.
        """
        expected = {"event": event, **({"jobId": job_id} if job_id is not None else {}), **fields}
        await self.listen()
        found = await self.call("see", expected=expected, timeout=(DEADLINE_S - 5) * 1000)
        assert found is not None, f"QueueEvents of Node {self.version} saw no {expected}, but {await self.seen()}"
        return found

    async def seen(self, job_id: str | None = None) -> list[dict[str, Any]]:
        """All events seen so far, in order; with `job_id` those of that job."""
        events: list[dict[str, Any]] = await self.call("seen")
        return [event for event in events if job_id is None or event.get("jobId") == job_id]

    async def wait_until_finished(self, job_id: str, timeout_s: float = 10.0) -> Any:
        """`job.waitUntilFinished`: its result.

        :raises NodeError: the job failed, for this reason.
        """
        return await self.call("waitUntilFinished", id=job_id, timeout=timeout_s * 1000)

    async def close(self) -> None:
        await self.call("close")
