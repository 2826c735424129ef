"""The dashboard in a real browser, over a real server: what it shows, what it does, and that it is live."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from barback.broker import Completed, Failed, Lease, NewJob, Settlement
from barback.options import JobOptions

from . import hostile
from .conftest import Site

OpenPage = Callable[..., Page]
LEASE = Lease("w", 60.0)


def add(site: Site, *names: str, options: JobOptions | None = None) -> None:
    jobs = [NewJob(site.queues[0], name, json.dumps({"n": name}), options or JobOptions()) for name in names]
    site.run(site.broker.add(jobs))


def fail(site: Site, *names: str) -> None:
    """Jobs that were added and have failed."""
    add(site, *names)
    jobs = site.run(site.broker.exchange(site.queues[0], [], len(names), LEASE)).jobs
    outcomes = [Settlement(job, Failed("ValueError: no luck", "Traceback:\n  at the bar")) for job in jobs]
    site.run(site.broker.exchange(site.queues[0], outcomes, 0, LEASE))


def list_of(site: Site, state: str) -> str:
    return f"{site.url}/jobs?queue={site.queues[0]}&state={state}"


def rows(page: Page) -> list[str]:
    return [row.inner_text().split()[0] for row in page.locator("tbody tr").all()]


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
    expect(time).to_have_text(re.compile(r"^(now|\d+s ago|\d+ sec. ago)$"))
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


def test_without_javascript_everything_can_still_be_read_and_done(site: Site, open_page: OpenPage) -> None:
    fail(site, "a")
    page = open_page(java_script_enabled=False)
    page.goto(list_of(site, "failed"))
    page.get_by_role("link", name="a", exact=True).click()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".badge")).to_have_text("waiting")


# ── live ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_happens_is_seen_without_a_reload_and_disturbs_nothing(site: Site, page: Page) -> None:
    fail(site, "a", "b")
    page.goto(list_of(site, "failed"))
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.evaluate("window.stayed = true")
    box = page.locator("tbody tr").filter(has_text="ValueError").last.locator("input[type=checkbox]")
    box.check()
    page.get_by_label("Job id").fill("half-typed")
    add(site, "c", "d", "e")
    expect(page.locator(".tabs .state-waiting .n")).to_have_text("3")
    expect(box).to_be_checked()
    expect(page.get_by_text("1 selected")).to_be_visible()
    expect(page.get_by_label("Job id")).to_have_value("half-typed")
    assert page.evaluate("window.stayed") is True


def test_a_selection_stays_with_its_jobs_when_others_come_before_them(site: Site, page: Page) -> None:
    fail(site, "a")
    page.goto(list_of(site, "failed"))
    page.locator("tbody input[type=checkbox]").check()
    chosen = page.locator("tbody input[type=checkbox]").get_attribute("value")
    fail(site, "b", "c")
    expect(page.locator("tbody tr")).to_have_count(3)
    assert [box.get_attribute("value") for box in page.locator("tbody input:checked").all()] == [chosen]


def test_a_running_jobs_log_and_progress_are_live(site: Site, page: Page) -> None:
    queue = site.queues[0]
    add(site, "a")
    [job] = site.run(site.broker.exchange(queue, [], 1, LEASE)).jobs
    page.goto(f"{site.url}/job?queue={queue}&id={job.id}")
    expect(page.locator(".badge")).to_have_text("active")
    site.run(site.broker.add_log(queue, job.id, "pulled the lever", 10))
    expect(page.locator(".log")).to_contain_text("pulled the lever")
    site.run(site.broker.set_progress(queue, job.id, "40"))
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "40")
    site.run(site.broker.exchange(queue, [Settlement(job, Completed('{"cups": 3}'))], 0, LEASE))
    expect(page.locator(".badge")).to_have_text("completed")
    expect(page.locator("main")).to_contain_text('"cups": 3')
    site.run(site.broker.remove(queue, job.id))
    expect(page.locator("main")).to_contain_text("It was removed")


def test_what_a_reader_opened_or_closed_stays_so(site: Site, page: Page) -> None:
    fail(site, "a")
    page.goto(list_of(site, "failed"))
    page.get_by_role("link", name="a", exact=True).click()
    page.locator("summary").click()
    page.evaluate("window.fetched = 0; addEventListener('htmx:after:swap', () => window.fetched++)")
    add(site, "b")
    wait_until(page, lambda: page.evaluate("window.fetched > 0"))
    expect(page.locator("details")).not_to_have_attribute("open", "")


def test_a_tab_in_the_background_has_no_stream_and_then_sees_what_it_missed(site: Site, page: Page) -> None:
    page.goto(site.url)
    wait_for_streams(site, page, 1)
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
    page.evaluate(hide % "true" + "document.dispatchEvent(new Event('visibilitychange'))")
    wait_for_streams(site, page, 0)
    assert not site.live.is_reading
    add(site, "a", "b")
    page.evaluate(hide % "false" + "document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_role("link", name="waiting 2")).to_be_visible()


def test_tabs_that_are_closed_leave_nothing_behind(site: Site, open_page: OpenPage) -> None:
    pages = [open_page() for _ in range(3)]
    for page in pages:
        page.goto(site.url)
    wait_for_streams(site, pages[0], 3)
    for page in pages[1:]:
        page.goto("about:blank")
    wait_for_streams(site, pages[0], 1)
    pages[0].goto("about:blank")
    wait_for_streams(site, pages[0], 0)


def wait_for_streams(site: Site, page: Page, count: int) -> None:
    wait_until(page, lambda: site.live.streams == count)


def wait_until(page: Page, probe: Callable[[], object]) -> None:
    """Playwright's own `wait_for_function` needs `eval`, which the policy refuses."""
    deadline = time.monotonic() + 8
    while not probe():
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


# ── the keyboard ────────────────────────────────────────────────────────────────────────────────────────


def test_the_keyboard_moves_selects_retries_finds_and_helps(site: Site, page: Page) -> None:
    fail(site, "a", "b", "c")
    page.goto(list_of(site, "failed"))
    focused = "document.activeElement.closest('[data-row]')?.sectionRowIndex"
    for key, row in (("j", 0), ("j", 1), ("j", 2), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        assert page.evaluate(focused) == row
    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()
    page.keyboard.press("/")
    expect(page.get_by_label("Job id")).to_be_focused()
    page.keyboard.type("jk?x")
    expect(page.get_by_label("Job id")).to_have_value("jk?x")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    expect(page.locator(".said")).to_have_text("1 job retried.")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator(".state-failed.badge")).to_be_visible()
    page.keyboard.press("r")
    expect(page.locator(".badge")).to_have_text("waiting")


def test_the_first_tab_stop_skips_to_the_content(site: Site, page: Page) -> None:
    page.goto(site.url)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


# ── how it looks ────────────────────────────────────────────────────────────────────────────────────────


def test_the_theme_is_the_systems_until_it_is_chosen_and_then_stays(site: Site, open_page: OpenPage) -> None:
    page = open_page(dark=True)
    page.goto(site.url)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Switch between light and dark").click()
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    assert page.evaluate(ground) == light


def pages_of(site: Site) -> list[str]:
    """One address of each kind, with long and hostile content."""
    site.run(hostile.fill(site.broker, site.queues[0]))
    add(site, "n" * 300, options=JobOptions(job_id="i" * 200, delay_s=60))
    site.run(site.broker.pause(site.queues[0]))
    where = f"queue={site.queues[0]}"
    return [
        site.url,
        list_of(site, "failed"),
        list_of(site, "delayed"),
        list_of(site, "active"),
        f"{site.url}/job?{where}&id=entities",
        f"{site.url}/job?{where}&id={'i' * 200}",
        f"{site.url}/job?{where}&id=gone",
    ]


def test_on_a_phone_nothing_is_wider_than_the_screen(site: Site, open_page: OpenPage) -> None:
    page = open_page(360, has_touch=True, is_mobile=True)
    for address in pages_of(site)[:-1]:
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, address


def test_motion_is_left_out_on_request(site: Site, open_page: OpenPage) -> None:
    page = open_page(reduced_motion="reduce")
    page.goto(site.url)
    assert page.evaluate("document.getAnimations().length") == 0


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core's script, from the packages that `make` installs for tests."""
    file = Path(__file__).parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"
    if not file.is_file():
        pytest.skip("axe-core is not installed: npm ci --prefix barback/tests/node")
    return file.read_text("utf-8")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_fault_on_any_page(site: Site, open_page: OpenPage, axe: str, dark: bool) -> None:
    page = open_page(dark=dark)
    for address in pages_of(site)[:-1]:
        page.goto(address)
        page.evaluate(axe)
        # What differs in the dark are the colours.
        rules = ", runOnly: ['color-contrast']" if dark else ""
        found = page.evaluate(f"axe.run({{resultTypes: ['violations']{rules}}})")
        told = [
            f"{one['id']}: {one['nodes'][0]['html'][:120]} {one['nodes'][0]['failureSummary']}"
            for one in found["violations"]
        ]
        assert not told, f"{address}: {told}"
