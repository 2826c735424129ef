"""A job's page in a real browser: its log as it is written, its forms, and running another."""

import asyncio
import re
from typing import Any

from playwright.sync_api import Page, expect

from barback.app import App, no_services
from barback.bullmq import BullMQBroker
from barback.job import Context, job
from barback.options import JobOptions
from barback.payload import NoPayload
from barback.worker import Worker
from barback.worker_options import WorkerOptions

from .conftest import Site
from .declared import FULL, publish_on, published
from .sample import LEASE, add, wait_until


def job_page(site: Site, job_id: str) -> str:
    return f"{site.url}/job?queue={site.queues[0]}&id={job_id}"


def write(site: Site, job_id: str, *lines: str) -> None:
    for line in lines:
        site.run(site.broker.add_log(site.queues[0], job_id, line, 1000))


def test_a_log_grows_by_its_new_lines_and_follows_its_end_unless_one_reads_further_up(site: Site, page: Page) -> None:
    add(site, "a")
    [running] = site.run(site.broker.exchange(site.queues[0], [], 1, LEASE)).jobs
    write(site, running.id, *(f"line {n}" for n in range(60)))
    page.goto(job_page(site, running.id))
    log = page.locator(".log")
    at_end = "Math.abs(log.scrollHeight - log.scrollTop - log.clientHeight) < 2"
    look = f"(() => {{ const log = document.querySelector('.log'); return {at_end}; }})()"
    assert page.evaluate(look)
    page.evaluate("document.querySelector('.log li').wasThere = true")
    write(site, running.id, "line 60")
    expect(log).to_contain_text("line 60")
    assert page.evaluate("document.querySelector('.log li').wasThere")
    wait_until(page, lambda: page.evaluate(look))
    page.evaluate("document.querySelector('.log').scrollTop = 40")
    page.wait_for_timeout(50)  # The browser tells of scrolling with its next frame.
    write(site, running.id, "line 61")
    expect(log).to_contain_text("line 61")
    assert page.evaluate("document.querySelector('.log').scrollTop") == 40


def test_edit_and_run_again_tells_what_is_wrong_at_its_field_and_then_runs(site: Site, page: Page) -> None:
    site.run(publish_on(site.broker.board, published(site.queues[0])))
    add(site, "serve", options=JobOptions(job_id="first"), data=FULL)
    page.goto(job_page(site, "first"))
    page.get_by_role("link", name="Edit and run again").click()
    expect(page.get_by_label("drink")).to_have_value("espresso")
    expect(page.get_by_label("token")).to_have_value("")
    expect(page.get_by_label("readyAt")).to_have_value(re.compile("2026-01-31T09:30:15"))
    page.get_by_label("cups").fill("100")
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_role("alert").filter(has_text="Nothing was added")).to_be_visible()
    expect(page.get_by_label("cups")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("cups")).to_have_accessible_description("Expected at most 99.")
    page.get_by_label("cups").fill("3")
    page.get_by_role("button", name="Run again").click()
    expect(page.locator(".said")).to_contain_text("runs again as a new job")
    expect(page.locator("main")).to_contain_text('"cups": 3')
    again = site.run(site.broker.list_jobs(site.queues[0], "waiting", 0, 5))[-1]
    assert '"token": "canary-token"' in again.data
    assert '"readyAt": "2026-01-31T09:30:15+00:00"' in again.data
    expect(page.locator("main")).not_to_contain_text("canary")


def test_a_job_is_run_by_its_name(site: Site, page: Page) -> None:
    site.run(publish_on(site.broker.board, published(site.queues[0])))
    page.goto(site.url)
    page.get_by_role("link", name="Run a job").click()
    page.get_by_role("link", name="serve").first.click()
    page.get_by_label("drink").fill("tea")
    page.get_by_label("cups").fill("2")
    page.get_by_label("street").fill("Long Lane")
    page.get_by_label("doorNumber").fill("7")
    page.get_by_label("readyAt").fill("2026-02-01T08:00:00")
    page.get_by_label("Job id").fill("by-hand")
    page.get_by_label("Delay", exact=False).first.fill("5")
    page.get_by_label("Unit of the delay").select_option("h")
    page.get_by_role("button", name="Run it").click()
    expect(page.locator(".said")).to_have_text("The job was added: this is it.")
    expect(page.locator(".why")).to_contain_text("Delayed for another 5 h")
    expect(page.locator("#job-id")).to_have_text("by-hand")
    expect(page.locator("main")).to_contain_text('"readyAt": "2026-02-01T08:00:00Z"')
    page.get_by_role("button", name="Change when it is due").click()
    page.get_by_label("From now on it waits for another").fill("3")
    page.get_by_label("Unit").select_option("d")
    page.get_by_role("button", name="Change it").click()
    expect(page.locator(".why")).to_contain_text("Delayed for another 3 d")


@job("linger", queue="replaced")
async def linger(payload: NoPayload, ctx: Context[None]) -> None:
    await asyncio.Event().wait()


def test_a_running_job_is_cancelled_by_its_worker_for_the_reason_that_is_typed(site: Site, page: Page) -> None:
    queue = site.queues[0]
    lingering = job("linger", queue=queue)(linger.handler)
    add(site, "linger", options=JobOptions(job_id="lingers"), data={})
    worker, running = site.run(start_worker(site, lingering))
    try:
        page.goto(job_page(site, "lingers"))
        expect(page.locator(".badge")).to_have_text("active")
        page.get_by_role("button", name="Cancel…").click()
        page.get_by_label("Reason").fill("the guest has <b>left</b>")
        page.get_by_role("button", name="Cancel it").click()
        expect(page.locator(".said")).to_have_text("The job is asked to stop.")
        expect(page.locator(".badge")).to_have_text("failed")
        expect(page.locator(".reason").first).to_contain_text("the guest has <b>left</b>")
    finally:
        worker.stop()
        site.run(ended(running))


async def start_worker(site: Site, lingering: Any) -> tuple[Worker, "asyncio.Task[Any]"]:
    """With locks that it renews, and looks for cancels, every second or so."""
    broker = BullMQBroker(site.redis)
    await broker.open()
    app = App(jobs=[lingering], services=no_services, name="lingerers")
    worker = Worker(app, broker, WorkerOptions(lock_s=2.0))

    async def work() -> None:
        await worker.run()
        await broker.close()

    return worker, asyncio.create_task(work())


async def ended(running: "asyncio.Task[Any]") -> None:
    async with asyncio.timeout(15):
        await running
