"""A dashboard over a real Valkey, in a thread of its own; and a real browser that looks at it and finds every fault."""

import asyncio
import os
import shutil
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from starlette.types import ASGIApp

from barback.bullmq import BullMQBroker
from barback.dashboard import Control, Live, create_app
from barback.dashboard.mounting import At
from barback.dashboard.serving import Server, listen
from barback.dashboard.signing_in import DashboardSettings, SignIn
from barback.settings import load_settings

ValueT = TypeVar("ValueT")

OURS = {"Sec-Fetch-Site": "same-origin"}

PATH = "/dashboard/queues"
WATCH = (
    "document.addEventListener('securitypolicyviolation', e => window.told(`${e.violatedDirective}: ${e.sourceFile}`))"
)


class Site:
    """A dashboard that is served; `run` carries something out on its loop, `broker` is its own."""

    def __init__(self, redis: str, queues: tuple[str, ...]) -> None:
        self.redis, self.queues = redis, queues
        self.broker = BullMQBroker(redis)
        self.control = Control(self.broker, queues)
        self.live = Live(self.broker, self.control.queues, every_s=0.1)
        self._socket = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}{PATH}"
        # Signed in as whoever sits at this machine, under the policy that holds for everybody.
        app = create_app(self.control, self.live, SignIn(load_settings(DashboardSettings), development=True))
        self._server = Server(At(PATH, app), self.live)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.005)

    def stop(self) -> None:
        self._server.handle_exit(signal.SIGINT, None)
        self._thread.join(20)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.broker.open()
        await self._server.serve([self._socket])
        await self.control.close()
        await self.broker.close()

    def run(self, work: Coroutine[Any, Any, ValueT]) -> ValueT:
        assert self._loop
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


@pytest.fixture
def site(valkey_url: str, queue_name: str) -> Iterator[Site]:
    """Of two queues, the test's and one more."""
    served = Site(valkey_url, (queue_name, f"{queue_name}-more"))
    served.start()
    yield served
    served.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. One a file: while it runs no test of that thread can have an event loop."""
    program = shutil.which("chromium")
    if program is None:
        missing = "no chromium on PATH (Debian: apt-get install chromium): no page was looked at"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program)
        yield launched
        launched.close()


OpenPage = Callable[..., Page]


def is_fault(said: ConsoleMessage) -> bool:
    """A job that is gone is none, nor a form that is sent back, though the browser complains of their pages."""
    is_told = ("404" in said.text and "/job?" in said.location["url"]) or "status of 422" in said.text
    return said.type in ("error", "warning") and not is_told


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """A tab of its own, which is fine in the end only if it had no error and broke no rule of its policy."""
    faults: list[str] = []
    opened: list[Page] = []

    def tell(fault: str) -> None:
        faults.append(fault)

    def start(width: int = 1280, *, dark: bool = False, **options: Any) -> Page:
        page = browser.new_page(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            locale="en-GB",
            timezone_id="Europe/Berlin",
            **options,
        )
        page.set_default_timeout(8_000)
        page.expose_function("told", tell)  # pyright: ignore[reportUnknownMemberType]
        page.add_init_script(WATCH)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if is_fault(said) else None)
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        opened.append(page)
        return page

    yield start
    for page in opened:
        page.close()
    assert not faults


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()


FaultsOf = Callable[..., list[tuple[str, object]]]


@pytest.fixture(scope="module")
def faults_of() -> FaultsOf:
    """What axe-core, which `make` installs for tests, finds on a page by one rule or by all."""
    file = Path(__file__).parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"
    if not file.is_file():
        missing = "axe-core is not installed: npm ci --prefix barback/tests/node"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    script = file.read_text("utf-8")

    def look(page: Page, rule: str | None = None) -> list[tuple[str, object]]:
        page.evaluate(script)
        options = {"resultTypes": ["violations"]} | ({"runOnly": [rule]} if rule else {})
        found = page.evaluate("options => axe.run(options)", options)
        return [(fault["id"], fault["nodes"][0]) for fault in found["violations"]]

    return look


# ── without a browser ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def broker(valkey_url: str) -> AsyncIterator[BullMQBroker]:
    opened = BullMQBroker(valkey_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def client_of() -> Callable[[ASGIApp], httpx2.AsyncClient]:
    """What asks an app without a server between, as its own pages do. An error that it raises is an answer, as it is
    over a server."""

    def make(app: ASGIApp) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url="http://there", headers=OURS)

    return make
