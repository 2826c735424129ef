"""When Redis goes away under an open page, and comes back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from barback.broker import NewJob
from drills.servers import Valkey

from .conftest import Site


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """What fails is part of these tests: errors of loading are none."""
    opened = browser.new_page()
    opened.set_default_timeout(15_000)
    yield opened
    opened.close()


def test_redis_may_go_and_come_back_under_an_open_page(valkey: Valkey, page: Page) -> None:
    site = Site(valkey.url, ("mail",))
    site.start()
    try:
        site.run(site.broker.add([NewJob("mail", "a", "{}")]))
        page.goto(site.url)
        expect(page.get_by_role("link", name="waiting 1")).to_be_visible()
        valkey.stop()
        expect(page.get_by_role("alert")).to_contain_text("Redis is away")
        expect(page.get_by_role("link", name="waiting 1")).to_be_visible()
        page.goto(f"{site.url}/jobs?queue=mail&state=waiting")
        expect(page.get_by_role("heading", level=1)).to_have_text("Redis is away")
        valkey.start()
        expect(page.get_by_role("heading", level=1)).to_have_text("mail")
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.get_by_role("alert")).to_be_hidden()
    finally:
        site.stop()
