"""Signing in, in a real browser: the page, what is seen of whom, and out again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .conftest import FaultsOf, Site
from .sample import add, list_of

PASSWORD = "a glass of rye, neat"


@pytest.fixture
def site(valkey_url: str, queue_name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """Whose people need a password."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DASHBOARD_PASSWORD", PASSWORD)
    served = Site(valkey_url, (queue_name,))
    served.start()
    yield served
    served.stop()


def test_sign_in_leads_to_where_one_wanted_and_sign_out_ends_it(site: Site, page: Page, faults_of: FaultsOf) -> None:
    add(site, "a")
    page.goto(list_of(site, "waiting"))
    assert not faults_of(page)
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator(".who")).to_have_text("admin")
    add(site, "b")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.goto(site.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_who_may_only_look_sees_no_buttons(site: Site, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    site.stop()
    monkeypatch.setenv("DASHBOARD_READ_ONLY", "1")
    reading = Site(site.redis, site.queues)
    reading.start()
    try:
        page.goto(reading.url)
        page.get_by_label("Name").fill("admin")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Queues")
        expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    finally:
        page.close()  # Before its server: an open page asks for it.
        reading.stop()
