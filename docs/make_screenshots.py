"""Draws docs/screenshots: the dashboard over an hour in the life of the cafes. Run it by `make screenshots`."""

import asyncio
import contextlib
import json
import random
import shutil
import signal
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from playwright.sync_api import Browser, sync_playwright
from pydantic import AwareDatetime, Field
from screenshot_surroundings import fill_surroundings

from barback.app import App, no_services
from barback.broker import Completed, Failed, Lease, NewJob, Outcome, Retry, Settlement
from barback.bullmq import BullMQBroker
from barback.dashboard import Control, Live, create_app
from barback.dashboard.serving import Server, listen
from barback.embedded import EmbeddedValkey
from barback.job import Context, job
from barback.masking import Secret
from barback.options import JobOptions
from barback.payload import Payload
from barback.retry import Exponential
from barback.telemetry.beat import KIND as BEAT
from barback.telemetry.beat import WorkerBeat
from barback.telemetry.published import KIND as APP
from barback.telemetry.published import publish

FOLDER = Path(__file__).with_name("screenshots")
CAFES, CRON, MAIL = QUEUES = ("cafe-processing", "cron-jobs", "notifications")
CITIES = ("leipzig", "berlin", "hamburg", "koeln", "muenchen", "dresden", "halle-saale", "freiburg")
OPTIONS = JobOptions(attempts=5, backoff=Exponential(first_s=2.0, jitter=0.5))
LEASE = Lease("cafes-7f9c", lock_s=3600.0)
CHANCE = random.Random(7)  # noqa: S311 — the same pictures each time

SIZES = {"light": (1200, 680), "dark": (1200, 680), "phone": (360, 740)}

STACK = """Traceback (most recent call last):
  File "/app/.venv/lib/python3.13/site-packages/barback/executor.py", line 171, in _run
    return await attempt.handler(payload, context)
  File "/app/src/cafes/jobs/process_cafe.py", line 52, in process_cafe
    result, cities = await _process(payload.cafe_id, ctx.services)
  File "/app/src/cafes/jobs/process_cafe.py", line 64, in _process
    cafe = await services.store.load(cafe_id)
cafes.errors.CafeUnreadable: cafes.opening_hours is neither a list nor null
"""


@dataclass(frozen=True)
class Sample:
    """Ids of jobs to look at: one that failed, one that waits, a mail."""

    failed: str
    waiting: str
    mail: str


class ProcessCafe(Payload, frozen=True):
    """As `cafes` has it."""

    cafe_id: UUID
    city_slug: str


class SendMail(Payload, frozen=True):
    """What its form is made of."""

    to: str = Field(description="The address of who is written to.")
    template: Literal["cafe-published", "cafe-declined", "opening-hours"]
    send_at: AwareDatetime | None = Field(default=None, description="Not before this moment.")
    with_photos: bool = True
    smtp_password: Annotated[str, Secret()] = ""


@job("process-cafe", queue=CAFES, attempts=5)
async def _process_cafe(payload: ProcessCafe, ctx: Context[None]) -> None: ...


@job("send-mail", queue=MAIL, attempts=5)
async def _send_mail(payload: SendMail, ctx: Context[None]) -> None: ...


class Earlier(BullMQBroker):
    """A broker whose clock is behind: what it does happened so long ago."""

    ago_s = 0.0

    def now(self) -> float:
        return time.time() - self.ago_s


def main() -> None:
    """Fill a server of our own, show it, and photograph each page."""
    FOLDER.mkdir(exist_ok=True)
    with (
        EmbeddedValkey(port=0) as server,
        _serving(server.tcp_url or "") as (url, sample),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for name, (width, height) in SIZES.items():
            _photograph(browser, url, sample, name, width, height)


def _photograph(browser: Browser, url: str, sample: Sample, name: str, width: int, height: int) -> None:
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if name == "dark" else "light",
        locale="en-GB",
        timezone_id="Europe/Berlin",
    )
    pages = {
        "overview": url,
        "schedules": f"{url}/schedules",
        "workers": f"{url}/workers",
        "audit": f"{url}/audit",
        "jobs": f"{url}/jobs?queue={CAFES}&state=failed",
        "search": f"{url}/jobs?queue={CAFES}&state=failed&q=error:CafeUnreadable+attempt:<3",
        "bulk": f"{url}/bulk/choose?queue={CAFES}&state=failed&q=error:CafeUnreadable",
        "failures": f"{url}/failures",
        "job": f"{url}/job?queue={CAFES}&id={sample.failed}",
        "waiting-job": f"{url}/job?queue={CAFES}&id={sample.waiting}",
        "again": f"{url}/job/again?queue={MAIL}&id={sample.mail}",
        "run": f"{url}/run?queue={MAIL}&name=send-mail",
    }
    for what, address in pages.items():
        page.goto(address)
        page.wait_for_function("document.querySelector('time') === null || document.querySelector('time').title !== ''")
        page.screenshot(path=FOLDER / f"{what}-{name}.png")
    page.close()


@contextlib.contextmanager
def _serving(redis: str) -> Generator[tuple[str, "Sample"]]:
    """The dashboard over the sample, in a thread of its own, and its address."""
    told: list[tuple[str, Sample, Callable[[], None]]] = []
    ready = threading.Event()

    async def serve() -> None:
        async with _open(redis) as broker:
            sample = await _fill(broker)
            control = Control(broker, QUEUES)
            live = Live(broker, control.queues)
            server = Server(create_app(control, live), live)
            with listen("127.0.0.1", 0) as listening:
                url = f"http://127.0.0.1:{listening.getsockname()[1]}"
                told.append((url, sample, lambda: server.handle_exit(signal.SIGINT, None)))
                ready.set()
                await server.serve([listening])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    ready.wait(30)
    url, sample, stop = told[0]
    yield url, sample
    stop()
    thread.join(10)


@contextlib.asynccontextmanager
async def _open(redis: str) -> AsyncGenerator[Earlier]:
    broker = Earlier(redis)
    await broker.open()
    yield broker
    await broker.close()


async def _fill(broker: Earlier) -> Sample:
    """An hour of work."""
    for minutes in range(58, 2, -4):
        broker.ago_s = minutes * 60.0
        await broker.add([_cafe() for _ in range(CHANCE.randint(24, 60))])
        await _work(broker, CAFES, 100, _cafe_outcome)
        await broker.add([_statistics() for _ in range(4)])
        await _work(broker, CRON, 10, _counted)
        await broker.add([_mail() for _ in range(CHANCE.randint(2, 9))])
        await _work(broker, MAIL, 100, lambda: Completed('{"delivered": true}'))
    broker.ago_s = 41.0
    await broker.add([_cafe() for _ in range(312)])
    await broker.add([_cafe(JobOptions(priority=5)) for _ in range(18)])
    await broker.add([NewJob(CRON, "update-cafe-stats", "{}", JobOptions(delay_s=3600.0 * n)) for n in range(1, 6)])
    await broker.add([_mail() for _ in range(27)])
    broker.ago_s = 4.0
    for n, running in enumerate((await broker.exchange(CAFES, [], 16, LEASE)).jobs):
        await broker.set_progress(CAFES, running.id, str(6 * n % 100))
    broker.ago_s = 0.0
    await broker.pause(MAIL)
    await fill_surroundings(broker)
    failed = next(job.id for job in await broker.list_jobs(CAFES, "failed", 0, 20) if job.stacktraces)
    for line in ("load cafe", "clean: 3 fields changed", "decide: 2 neighbours", "record: overtaken, once more"):
        await broker.add_log(CAFES, failed, line, 100)
    await broker.set_progress(CAFES, failed, "60")
    await _tell_of_the_worker(broker)
    [waiting] = await broker.list_jobs(CAFES, "waiting", 212, 1)
    [mail] = await broker.list_jobs(MAIL, "waiting", 3, 1)
    return Sample(failed, waiting.id, mail.id)


async def _tell_of_the_worker(broker: Earlier) -> None:
    """As its heartbeats do."""
    beat = WorkerBeat(
        name=LEASE.worker, host="worker-1", pid=31, version="0.1.0", release="1", app="cafes", started_at=1.0,
        at=broker.now(), queues={CAFES: 16},
    )  # fmt: skip
    app = App(jobs=[_process_cafe, _send_mail], services=no_services, name="cafes")
    await broker.board.put_document(BEAT, beat.name, beat.encode(), 600)
    await broker.board.put_document(APP, app.name, publish(app, "1", broker.now()).encode(), 600)


async def _work(broker: Earlier, queue: str, count: int, outcome: Callable[[], Outcome]) -> None:
    jobs = (await broker.exchange(queue, [], count, LEASE)).jobs
    broker.ago_s -= CHANCE.uniform(0.3, 4)
    await broker.exchange(queue, [Settlement(job, outcome()) for job in jobs], 0, LEASE)


def _cafe(options: JobOptions = OPTIONS) -> NewJob:
    data = {"cafeId": str(UUID(int=CHANCE.getrandbits(128), version=4)), "citySlug": CHANCE.choice(CITIES)}
    return NewJob(CAFES, "process-cafe", json.dumps(data), options)


def _statistics() -> NewJob:
    return NewJob(CRON, "update-cafe-stats", json.dumps({"citySlug": CHANCE.choice(CITIES)}), OPTIONS)


def _mail() -> NewJob:
    data = {"to": f"owner-{CHANCE.randint(100, 999)}@example.org", "template": "cafe-published"}
    return NewJob(MAIL, "send-mail", json.dumps(data), OPTIONS)


def _cafe_outcome() -> Outcome:
    match CHANCE.random():
        case draw if draw < 0.02:
            return Failed("CafeUnreadable: cafes.opening_hours is neither a list nor null", STACK)
        case draw if draw < 0.03:
            return Failed("Timeout: the handler did not end within 60 s")
        case draw if draw < 0.05:
            return Retry(1800.0, "StoreUnavailable: the database does not answer", STACK)
        case _:
            return Completed(json.dumps({"status": "published", "slug": "cafe-grundmann", "othersChanged": 0}))


def _counted() -> Outcome:
    return Completed(json.dumps({"success": True, "processed": CHANCE.randint(40, 900), "citiesProcessed": 1}))


if __name__ == "__main__":
    main()
