"""In a real browser: from a search to its result, all that match retried, a group of failures, all by keyboard too."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from barback.broker import Failed, NewJob, Settlement
from barback.control.search import Budget
from barback.dashboard.routes import jobs
from barback.options import JobOptions

from .conftest import Site
from .sample import LEASE, fail, list_of


def fail_with(site: Site, *reasons: str) -> None:
    queue = site.queues[0]
    site.run(site.broker.add([NewJob(queue, "send-mail", json.dumps({"n": n})) for n in range(len(reasons))]))
    taken = site.run(site.broker.exchange(queue, [], len(reasons), LEASE)).jobs
    settled = [Settlement(job, Failed(reason)) for job, reason in zip(taken, reasons, strict=True)]
    site.run(site.broker.exchange(queue, settled, 0, LEASE))


def test_from_a_search_to_its_result_in_an_address_that_can_be_shared(site: Site, page: Page) -> None:
    fail_with(site, "Timeout: no answer", "KeyError: 'x'", "Timeout: no answer")
    page.goto(list_of(site, "failed"))
    page.keyboard.press("/")
    page.keyboard.type("error:timeout payload.n:2")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator(".looked")).to_contain_text("Looked through 3 of 3 failed jobs")
    shared = page.url
    assert "q=error%3Atimeout+payload.n%3A2" in shared
    page.goto(site.url)
    page.goto(shared)
    expect(page.locator("tbody tr")).to_have_count(1)
    fail_with(site, "Timeout: again", "Timeout: again", "Timeout: again")
    expect(page.locator("tbody tr")).to_have_count(2)


def test_a_wrong_query_is_explained_beside_its_box(site: Site, page: Page) -> None:
    page.goto(f"{list_of(site, 'failed')}&q=attempt:two")
    expect(page.get_by_role("searchbox")).to_have_accessible_description(re.compile("Expected a number"))
    expect(page.get_by_role("alert").filter(has_text="Character 9")).to_be_visible()
    page.get_by_text("How to search").click()
    expect(page.get_by_text("attempts that have ended")).to_be_visible()


def test_a_search_goes_on_from_where_it_ended(site: Site, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "BUDGET", Budget(found=50, jobs=20, seconds=60))
    options = [JobOptions(job_id=f"j-{n}") for n in range(50)]
    made = [NewJob(site.queues[0], "send-mail", json.dumps({"n": n}), one) for n, one in enumerate(options)]
    site.run(site.broker.add(made))
    page.goto(f"{list_of(site, 'waiting')}&q=payload.n:49")
    expect(page.locator(".nothing")).to_contain_text("No match so far")
    page.keyboard.press("g")
    expect(page.locator(".looked")).to_contain_text("40 of 50")
    page.get_by_role("link", name="Go on", exact=True).click()
    expect(page.locator("tbody tr")).to_contain_text("j-49")


def test_all_that_match_are_counted_retried_and_the_result_is_told(site: Site, page: Page) -> None:
    fail_with(site, *["Timeout: no answer"] * 60, "KeyError: 'x'")
    page.goto(f"{list_of(site, 'failed')}&q=error:timeout")
    page.keyboard.press("a")
    expect(page.get_by_role("heading", level=1)).to_have_text("60 jobs")
    expect(page.locator(".asked")).to_contain_text("error:timeout")
    page.get_by_role("button", name="Retry all").click()
    expect(page.locator(".badge").first).to_have_text("finished")
    expect(page.locator("main")).to_contain_text(re.compile(r"done\s*60"))
    address = page.url
    assert site.run(site.broker.counts(site.queues[0]))["failed"] == 1
    page.goto(site.url)
    page.goto(address)
    expect(page.locator(".badge").first).to_have_text("finished")
    page.get_by_role("link", name="Bulk actions").click()
    expect(page.locator("tbody tr")).to_contain_text("error:timeout")


def test_a_group_of_failures_is_retried_by_keyboard(site: Site, page: Page) -> None:
    fail_with(site, "Timeout: no answer in 3 s", "Timeout: no answer in 9 s", "KeyError: 'x'")
    page.goto(site.url)
    page.get_by_role("link", name="Failures").click()
    expect(page.get_by_role("link", name="Timeout", exact=True)).to_be_visible()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Timeout", exact=True)).to_be_focused()
    page.keyboard.press("r")
    expect(page.get_by_role("heading", level=1)).to_have_text("2 jobs")
    page.get_by_role("button", name="Retry all").click()
    expect(page.locator(".badge").first).to_have_text("finished")
    page.get_by_role("link", name="Failures").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    fail(site, "send-mail")
    expect(page.locator("tbody tr")).to_have_count(2)
