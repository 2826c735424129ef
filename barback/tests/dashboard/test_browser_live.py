"""What happens is seen at once, and disturbs nobody who reads or types (B5)."""

from playwright.sync_api import Page, expect

from barback.broker import Completed, Settlement
from barback.options import JobOptions

from .conftest import OpenPage, Site
from .sample import LEASE, add, fail, list_of, wait_until


def test_what_happens_is_seen_without_a_reload_and_disturbs_nothing(site: Site, page: Page) -> None:
    fail(site, "a", "b")
    page.goto(list_of(site, "failed"))
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.evaluate("window.stayed = true")
    box = page.locator("tbody tr").filter(has_text="ValueError").last.locator("input[type=checkbox]")
    box.check()
    page.get_by_role("searchbox").fill("half-typed")
    add(site, "c", "d", "e")
    expect(page.locator(".tabs .state-waiting .n")).to_have_text("3")
    expect(box).to_be_checked()
    expect(page.get_by_text("1 selected")).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_value("half-typed")
    assert page.evaluate("window.stayed") is True


def test_a_selection_stays_with_its_jobs_when_others_come_before_them(site: Site, page: Page) -> None:
    fail(site, "a")
    page.goto(list_of(site, "failed"))
    page.locator("tbody input[type=checkbox]").check()
    chosen = page.locator("tbody input[type=checkbox]").get_attribute("value")
    fail(site, "b", "c")
    expect(page.locator("tbody tr")).to_have_count(3)
    assert [box.get_attribute("value") for box in page.locator("tbody input:checked").all()] == [chosen]


def test_what_was_asked_about_is_what_is_removed_though_the_list_has_changed_meanwhile(site: Site, page: Page) -> None:
    """B3."""
    fail(site, "a", "b", "c")
    page.goto(list_of(site, "failed"))
    boxes = page.locator("tbody input[type=checkbox]")
    boxes.nth(0).check()
    boxes.nth(1).check()
    again = page.locator("tbody tr .id").nth(0).inner_text()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("dialog")).to_contain_text("Remove what is selected? 2 selected")
    site.run(site.broker.retry(site.queues[0], again))
    expect(boxes).to_have_count(2)
    fail(site, "d", "e")
    expect(boxes).not_to_have_count(2)
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator(".said")).to_have_text("1 job removed. 1 was left alone: no longer as it was when seen here.")


def test_a_popover_stays_as_it_is_while_somebody_types_in_it(site: Site, page: Page) -> None:
    add(site, "later", options=JobOptions(job_id="later", delay_s=900))
    page.goto(f"{site.url}/job?queue={site.queues[0]}&id=later")
    page.get_by_role("button", name="Change when it is due").click()
    form = page.locator("#delay-form")
    form.get_by_label("From now on it waits").fill("3")
    form.get_by_label("Unit").select_option("d")
    for name in ("b", "c"):
        page.evaluate("window.fetched = 0; addEventListener('htmx:after:swap', () => window.fetched++)")
        add(site, name)
        wait_until(page, lambda: page.evaluate("window.fetched > 0"))
    expect(form).to_be_visible()
    form.get_by_role("button", name="Keep it").click()
    expect(form).to_be_hidden()
    page.get_by_role("button", name="Change when it is due").click()
    expect(form.get_by_label("From now on it waits")).to_have_value("3")
    expect(form.get_by_label("Unit")).to_have_value("d")
    form.get_by_role("button", name="Change it").click()
    expect(page.locator(".why")).to_contain_text("Delayed for another 3 d")


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
