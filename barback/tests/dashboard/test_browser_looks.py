"""Keyboard, colours, phones, and those who do not see the page."""

import pytest
from playwright.sync_api import Page, expect

from barback.control.actions import Matching
from barback.control.failures import Fingerprint
from barback.control.orders import Order
from barback.control.search import Listing
from barback.inspector import Retry
from barback.options import JobOptions

from . import hostile
from .conftest import FaultsOf, OpenPage, Site
from .declared import publish_on, published
from .sample import add, fail, list_of

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
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("jk?x")
    expect(page.get_by_role("searchbox")).to_have_value("jk?x")
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
    add(site, "serve", options=JobOptions(job_id="waits"))
    site.run(publish_on(site.broker.board, published(site.queues[0])))
    site.run(publish_on(site.broker.board, published(site.queues[1], f"{hostile.SCRIPT}{'n' * 200}", app="hostile")))
    site.run(site.broker.pause(site.queues[0]))
    where = f"queue={site.queues[0]}"
    selection = Matching(Listing(site.queues[0], "failed"), Fingerprint("T" * 200, "p" * 200, hostile.SCRIPT))
    bulk = site.run(site.control.bulk.start(Order(selection, Retry(), "retry", "w" * 90, "s" * 300)))
    return [
        site.url,
        list_of(site, "failed"),
        list_of(site, "delayed"),
        list_of(site, "active"),
        f"{list_of(site, 'failed')}&q=attempt:two+{'w' * 200}",
        f"{list_of(site, 'failed')}&q=attempt:<9",
        f"{site.url}/bulk/choose?{where}&state=delayed&q={'w' * 200}",
        f"{site.url}/bulk?id={bulk.id}",
        f"{site.url}/bulk/all",
        f"{site.url}/failures",
        f"{site.url}/job?{where}&id=entities",
        f"{site.url}/job?{where}&id={'i' * 200}",
        f"{site.url}/job?{where}&id=waits",
        f"{site.url}/job/again?{where}&id=waits",
        f"{site.url}/job/again?{where}&id=entities",
        f"{site.url}/run",
        f"{site.url}/run?{where}&name=serve",
        f"{site.url}/job?{where}&id=gone",
    ]


def test_on_a_phone_nothing_is_wider_than_the_screen(site: Site, open_page: OpenPage) -> None:
    page = open_page(360, has_touch=True, is_mobile=True)
    for address in pages_of(site)[:-1]:
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, address


def test_on_a_phone_every_page_is_one_touch_away_and_its_name_is_seen(site: Site, open_page: OpenPage) -> None:
    page = open_page(360, has_touch=True, is_mobile=True)
    for name in ("Queues", "Failures", "Schedules", "Workers", "Run a job", "Audit log"):
        page.goto(f"{list_of(site, 'failed')}")
        link = page.get_by_role("navigation", name="Pages").get_by_text(name)
        box = link.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        link.tap()
        assert page.locator("header nav [aria-current]").inner_text() == name


def test_motion_is_left_out_on_request(site: Site, open_page: OpenPage) -> None:
    page = open_page(reduced_motion="reduce")
    page.goto(site.url)
    assert page.evaluate("document.getAnimations().length") == 0


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_fault_on_any_page(site: Site, open_page: OpenPage, faults_of: FaultsOf, dark: bool) -> None:
    page = open_page(dark=dark)
    for address in pages_of(site)[:-1]:
        page.goto(address)
        # What differs in the dark are the colours.
        assert not faults_of(page, "color-contrast" if dark else None), address
