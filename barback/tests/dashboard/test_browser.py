"""In a real browser, over a real server: what the pages show, and what they do (B2)."""

import re
from datetime import UTC, datetime

from playwright.sync_api import Page, expect

from barback.broker import NewJob
from barback.options import JobOptions

from . import hostile
from .conftest import OpenPage, Site
from .sample import add, fail, list_of

# ── what it shows ───────────────────────────────────────────────────────────────────────────────────────


def test_from_the_queues_to_a_job_and_back(site: Site, page: Page) -> None:
    fail(site, "send-mail")
    page.goto(site.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")
    page.get_by_role("row", name=re.compile(f"^{site.queues[0]} ")).get_by_role("link", name="failed 1").click()
    page.get_by_role("link", name="send-mail").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("send-mail")
    expect(page.locator("main")).to_contain_text("ValueError: no luck")
    expect(page.locator("details pre")).to_contain_text("at the bar")
    expect(page.locator("main")).to_contain_text('"n": "send-mail"')
    page.get_by_role("link", name=site.queues[0]).click()
    page.get_by_role("link", name="Queues").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")


def test_times_are_in_the_readers_zone(site: Site, page: Page) -> None:
    add(site, "a")
    page.goto(list_of(site, "waiting"))
    time = page.locator("tbody time")
    expect(time).to_have_text(re.compile(r"^(now|\d+s ago|\d+ sec\.? ago)$"))
    expect(time).to_have_attribute(
        "title", re.compile(r"\d{1,2} \w{3} \d{4}(,| at) \d\d:\d\d:\d\d (CET|CEST|GMT\+[12])$")
    )


def test_nothing_hostile_acts_and_all_of_it_is_shown(site: Site, page: Page) -> None:
    """Every place that shows what came from outside; the page's own policy and its console tell what it let through."""
    site.run(hostile.fill(site.broker, site.queues[0]))
    page.goto(list_of(site, "failed"))
    expect(page.locator("tbody tr")).to_have_count(len(hostile.TEXTS))
    links = [link.get_attribute("href") or "" for link in page.locator("[data-open]").all()]
    for link in links:
        page.goto(link if link.startswith("http") else site.url.partition("/dashboard")[0] + link)
        expect(page.locator(".state-failed")).to_be_visible()
        shown = page.locator("main").inner_text()
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b\x9b]", shown)
        page.get_by_role("link", name="Edit and run again").click()
        expect(page.get_by_label("JSON")).to_be_visible()
    assert page.locator("main script, main svg[onload], main img, main [hx-on\\:load]").count() == 0
    page.goto(f"{site.url}/job?queue={site.queues[0]}&id={hostile.SCRIPT}")
    expect(page.locator("main")).to_contain_text("<script>alert('stolen')</script>")


def test_a_hostile_queue_is_but_a_name(valkey_url: str, queue_name: str, page: Page) -> None:
    site = Site(valkey_url, (f"{queue_name}-{hostile.SCRIPT}", f"{queue_name}-/../?#%2f&amp;"))
    site.start()
    try:
        for queue in site.queues:
            site.run(site.broker.add([NewJob(queue, "mail", "{}")]))
            page.goto(site.url)
            page.get_by_role("link", name=queue, exact=True).click()
            expect(page.get_by_role("heading", level=1)).to_have_text(queue)
            page.get_by_role("link", name="mail").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("mail")
            page.goto(site.url)
            page.get_by_role("button", name=f"Pause {queue}"[:40]).first.click()
            expect(page.locator(".said")).to_be_visible()
            assert site.run(site.broker.is_paused(queue))
            page.get_by_role("button", name="Resume").click()
            expect(page.locator(".said")).to_contain_text("resumed")
    finally:
        # First the tab: it would complain of a site that is gone.
        page.close()
        site.stop()


# ── what it does ────────────────────────────────────────────────────────────────────────────────────────


def test_selected_jobs_are_retried(site: Site, page: Page) -> None:
    fail(site, "a", "b", "c")
    page.goto(list_of(site, "failed"))
    expect(page.get_by_role("button", name="Retry")).to_be_hidden()
    for box in page.locator("tbody input[type=checkbox]").all()[:2]:
        box.check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".said")).to_have_text("2 jobs retried.")
    assert site.run(site.broker.counts(site.queues[0]))["waiting"] == 2


def test_what_cannot_be_undone_is_asked_first(site: Site, page: Page) -> None:
    fail(site, "a", "b")
    page.goto(list_of(site, "failed"))
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    assert site.run(site.broker.counts(site.queues[0]))["failed"] == 2
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator(".said")).to_have_text("2 jobs removed.")
    assert site.run(site.broker.counts(site.queues[0]))["failed"] == 0


def test_an_address_says_nothing_of_what_was_done_once_it_was_told(site: Site, page: Page) -> None:
    fail(site, "a")
    page.goto(f"{list_of(site, 'failed')}&q=name:a&did=retry&count=3")
    expect(page.locator(".said")).to_have_text("3 jobs retried.")
    assert page.url == f"{list_of(site, 'failed')}&q=name%3Aa"
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator(".said")).to_have_count(0)


def test_until_when_a_job_waits_is_told_in_the_readers_zone(site: Site, page: Page) -> None:
    """Of a summer's day two hours ahead of UTC, whatever the machine's zone."""
    due_at = datetime(2037, 7, 1, 10, 0, tzinfo=UTC).timestamp()
    add(site, "a", options=JobOptions(job_id="a", delay_s=due_at - site.broker.now()))
    for address in (list_of(site, "delayed"), f"{site.url}/job?queue={site.queues[0]}&id=a"):
        page.goto(address)
        expect(page.locator(".why, .why-row")).to_contain_text(
            re.compile(r"Until 1 Jul 2037, (12:00:0|11:59:5)\d CEST\.")
        )


def test_without_javascript_everything_can_still_be_read_and_done(site: Site, open_page: OpenPage) -> None:
    fail(site, "a")
    page = open_page(java_script_enabled=False)
    page.goto(list_of(site, "failed"))
    page.get_by_role("link", name="a", exact=True).click()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".badge")).to_have_text("waiting")
