"""In a browser: a click enqueues in TypeScript, Python works the job, and the dashboard is a page of the app."""

import contextlib
from collections.abc import Generator
from dataclasses import replace

import psycopg
import pytest
from playwright.sync_api import Page, expect

from barback.embedded import EmbeddedValkey
from barback.embedded.valkey import free_port

from ..rows import run
from .conftest import Built, StartDashboard, Surroundings, serving

pytestmark = pytest.mark.slow

PASSWORD = "a glass of rye, neat"
CITIES = "insert into cities (slug, name) select 'city-' || n, 'City ' || n from generate_series(100, 349) n"


@contextlib.contextmanager
def held(database: str, city: str) -> Generator[None]:
    """Nobody can count this city meanwhile."""
    with psycopg.connect(database) as connection:
        connection.execute("select 1 from cities where slug = %s for update", (city,))
        yield


def test_a_click_enqueues_a_job_and_its_page_follows_python_to_the_end(
    site: str, surroundings: Surroundings, database: str, page: Page
) -> None:
    """P28. Three batches of cities; the second one waits until the page has shown how far the job is."""
    run(database, CITIES)
    page.goto(site)
    page.get_by_role("button", name="Count").click()
    status = page.get_by_role("status")
    expect(status).to_have_text("Waiting for a worker …")
    with surroundings.worker():
        with held(database, "city-220"):
            expect(status).to_contain_text("40 %")
            expect(page.get_by_role("progressbar")).to_have_attribute("value", "40")
            # Whoever comes later, or again, sees it too.
            page.reload()
            expect(status).to_contain_text("40 %")
        expect(status).to_have_text("Counted 0 cafes in 250 cities; 0 are published.")
    page.reload()
    expect(status).to_have_text("Counted 0 cafes in 250 cities; 0 are published.")


def test_a_job_that_fails_says_why(site: str, surroundings: Surroundings, page: Page) -> None:
    """P28."""
    page.goto(site)
    page.get_by_label("City").fill("nowhere")
    page.get_by_role("button", name="Count").click()
    with surroundings.worker():
        expect(page.get_by_role("status")).to_have_text("Failed: There is no city with the slug 'nowhere'.")


def test_while_redis_is_away_a_click_says_so_and_the_next_one_after_it_works(
    built: Built, surroundings: Surroundings, page: Page
) -> None:
    """P28."""
    port = free_port()
    away = replace(surroundings, environment={**surroundings.environment, "REDIS_URL": f"redis://127.0.0.1:{port}"})
    with serving(built, away) as site:
        tab = page.context.new_page()  # of which nobody expects that its console says nothing
        tab.goto(site)
        tab.get_by_role("button", name="Count").click()
        expect(tab.get_by_role("heading", level=1)).to_have_text("That did not work", timeout=10_000)
        with EmbeddedValkey(port=port):
            tab.get_by_role("button", name="Try again").click()
            tab.get_by_role("button", name="Count").click()
            expect(tab.get_by_role("status")).to_have_text("Waiting for a worker …")
            tab.close()


def test_pythons_dashboard_is_a_page_of_the_app(site: str, start_dashboard: StartDashboard, page: Page) -> None:
    """B1, B7. For whoever sits at this machine: pages, their files, and what is done."""
    start_dashboard()
    enqueue(site, page)
    page.get_by_role("link", name="Queues").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")
    pause_and_resume(page)
    page.get_by_role("link", name="waiting 1").click()
    page.get_by_role("link", name="update-cafe-stats").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("update-cafe-stats")
    assert page.url.startswith(f"{site}/dashboard/queues/job?")


def test_news_come_through_the_rewrite_as_they_happen(site: str, start_dashboard: StartDashboard, page: Page) -> None:
    """B5, B7."""
    start_dashboard()
    page.goto(f"{site}/dashboard/queues")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.evaluate("window.stayed = true")
    enqueue(site, page.context.new_page())
    expect(page.get_by_role("link", name="waiting 1")).to_be_visible()
    assert page.evaluate("window.stayed") is True


def test_one_signs_in_acts_and_signs_out_through_the_rewrite(
    site: str, start_dashboard: StartDashboard, page: Page
) -> None:
    """B1, B7."""
    start_dashboard(DASHBOARD_PASSWORD=PASSWORD, DASHBOARD_ORIGIN=site)
    enqueue(site, page)
    page.get_by_role("link", name="Queues").click()
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    pause_and_resume(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert page.url.startswith(f"{site}/dashboard/queues/sign-in")


def enqueue(site: str, page: Page) -> None:
    page.goto(site)
    page.get_by_role("button", name="Count").click()
    expect(page.get_by_role("status")).to_be_visible()


def pause_and_resume(page: Page) -> None:
    page.get_by_role("button", name="Pause cron-jobs").click()
    page.get_by_role("button", name="Resume cron-jobs").click()
    expect(page.get_by_role("button", name="Pause cron-jobs")).to_be_visible()
