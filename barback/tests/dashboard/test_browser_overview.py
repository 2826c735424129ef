"""In a real browser: the chart, what needs attention, schedules, and that all of it can be seen by everybody."""

import json
import re
from collections.abc import Mapping

import pytest
from playwright.sync_api import Page, expect

from barback.board import Counted
from barback.control.audit import Action, record, recorded
from barback.telemetry.beat import KIND as WORKER
from barback.telemetry.histogram import bin_of

from . import hostile
from .conftest import FaultsOf, OpenPage, Site
from .sample import add, wait_until
from .test_places import beat, put_schedule

INKED = "canvas => canvas.toDataURL()"
COLOURED = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let i = 0; i < data.length; i += 4) {
    const [red, green, blue, opacity] = data.slice(i, i + 4);
    if (opacity > 128 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) found++;
  }
  return found;
}"""


def count(site: Site, **counts: int) -> None:
    """What workers counted in the last minutes."""
    now = site.broker.now()
    told: Mapping[str, int] = counts | {f"wait:{bin_of(0.2)}": 9, f"run:{bin_of(1.5)}": 9}
    each = [Counted(site.queues[0], 60, now - ago * 60, told, 7200) for ago in range(8)]
    site.run(site.broker.board.count(each, site.queues[0], 1))


def work(site: Site, **other: object) -> str:
    """A worker of the first queue lives for half a minute."""
    told = beat(site.queues[0], site.broker.now(), **other)
    site.run(site.broker.board.put_document(WORKER, told.name, told.encode(), 30.0))
    return told.name


def test_the_chart_is_drawn_in_the_colours_of_the_theme_and_has_its_figures_beside_it(site: Site, page: Page) -> None:
    count(site, completed=40, failed=4)
    page.goto(site.url)
    plots = page.locator(".plot canvas")
    expect(plots).to_have_count(2)
    row = page.get_by_role("row", name=re.compile(f"^{site.queues[0]} "))
    expect(row.locator("svg.spark polyline")).to_have_count(2)
    row.get_by_role("link", name="320 completed 32 failed").click()
    expect(page.locator(".sums")).to_contain_text("320 completed · 32 failed")
    page.get_by_text("The figures").click()
    expect(page.get_by_role("region", name="The figures").get_by_role("row")).to_have_count(61)
    light = plots.first.evaluate(INKED)
    page.get_by_role("button", name="Switch between light and dark").click()
    wait_until(page, lambda: plots.first.evaluate(INKED) != light)
    page.get_by_role("link", name="7d", exact=True).click()
    expect(page.get_by_role("link", name="7d", exact=True)).to_have_attribute("aria-current", "true")
    expect(page.locator(".plot canvas")).to_have_count(2)


def test_of_a_single_figure_a_point_is_drawn(site: Site, page: Page) -> None:
    told = {"completed": 1, f"wait:{bin_of(0.2)}": 1, f"run:{bin_of(1.5)}": 1}
    site.run(site.broker.board.count([Counted(site.queues[0], 60, site.broker.now() - 600, told, 7200)], "w", 1))
    page.goto(f"{site.url}?queue={site.queues[0]}")
    durations = page.locator(".plot canvas").nth(1)
    expect(durations).to_be_visible()
    # Only what is drawn of figures has colour; the text and lines beside it are grey.
    wait_until(page, lambda: durations.evaluate(COLOURED) > 8)


def test_the_chart_stays_while_the_page_lives(site: Site, page: Page) -> None:
    count(site, completed=40)
    page.goto(site.url)
    page.locator(".plot canvas").first.evaluate("it => { it.dataset.stays = 'yes' }")
    add(site, "a")
    expect(page.get_by_role("link", name="waiting 1")).to_be_visible()
    expect(page.locator(".plot canvas").first).to_have_attribute("data-stays", "yes")


def test_a_queue_whose_worker_has_gone_is_told_of_and_leads_to_its_jobs(site: Site, page: Page) -> None:
    add(site, "a")
    name = work(site)
    page.goto(site.url)
    told = page.get_by_role("list", name="Needs attention").get_by_text(
        f"No live worker works queue '{site.queues[0]}'"
    )
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(told).to_have_count(0)
    site.run(site.broker.board.remove_document(WORKER, name))
    page.wait_for_timeout(1100)  # So long what is around the queues is kept.
    add(site, "b")
    expect(told).to_be_visible()
    page.get_by_role("link", name="Its jobs").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(site.queues[0])


def test_a_schedule_is_paused_resumed_and_run_now(site: Site, page: Page) -> None:
    site.run(put_schedule(site.broker, site.queues[0]))
    page.goto(f"{site.url}/schedules")
    page.get_by_role("button", name="Run now hourly").click()
    expect(page.locator(".said")).to_have_text("Its job is enqueued.")
    page.get_by_role("button", name="Pause hourly").click()
    expect(page.locator(".badge.paused")).to_have_text("paused")
    expect(page.get_by_role("button", name="Run now hourly")).to_have_count(0)
    page.get_by_role("button", name="Resume hourly").click()
    expect(page.locator(".badge.paused")).to_have_text("not put yet")
    page.get_by_role("link", name="Audit log").click()
    mine = page.get_by_role("row").filter(has_text=site.queues[0])
    expect(mine.get_by_role("rowheader")).to_have_text(["resume schedule", "pause schedule", "run schedule"])
    assert site.run(recorded(site.broker.board, 1))[0].action.who == "developer"


def fill(site: Site) -> list[str]:
    """Every page, with hostile things in every place."""
    queue, text = site.queues[0], hostile.SCRIPT
    site.run(hostile.fill(site.broker, queue))
    count(site, completed=40, failed=40)
    work(site, host=text, app=text * 3, release=text, queues={queue: 16, "q" * 200: 1})
    site.run(put_schedule(site.broker, queue, text.replace(":", ";")))
    run = {"job_id": text, "outcome": "failed", "started_at": 1.0, "ended_at": 1e300, "reason": text * 9}
    site.run(site.broker.set_notes(queue, {f"run:{text.replace(':', ';')}": json.dumps(run)}))
    site.run(record(site.broker.board, Action(text, "remove", queue, text * 3, 12_000, 3)))
    site.run(record(site.broker.board, Action("w" * 200, "x" * 200, "q" * 200, "y" * 200)))
    return [f"{site.url}?queue={queue}", *(f"{site.url}/{place}" for place in ("schedules", "workers", "audit"))]


def test_nothing_hostile_acts_on_any_of_these_pages_and_on_a_phone_none_is_wider(
    site: Site, open_page: OpenPage
) -> None:
    page = open_page(360, has_touch=True, is_mobile=True)
    for address in fill(site):
        page.goto(address)
        expect(page.locator("main")).to_contain_text("<script>alert")
        assert page.locator("main script, main img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == 360, address


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["light", "dark"])
def test_axe_finds_no_fault_on_these_pages(site: Site, open_page: OpenPage, faults_of: FaultsOf, dark: bool) -> None:
    page = open_page(dark=dark)
    for address in fill(site):
        page.goto(address)
        for closed in page.locator("summary").all():
            closed.click()
        assert not faults_of(page, "color-contrast" if dark else None), address
