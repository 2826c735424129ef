"""What the service consists of."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from barback.errors import SettingsError
from cafes.app import app
from cafes.jobs.update_cafe_stats import UpdateCafeStats


def test_the_jobs_are_found_by_themselves() -> None:
    assert {job.name: job.queue for job in app.registry.jobs} == {
        "process-cafe": "cafe-processing",
        "update-cafe-stats": "cron-jobs",
    }


def test_statistics_are_counted_every_night_at_three_in_berlin() -> None:
    (schedule,) = app.schedules
    assert (schedule.id, schedule.pattern, schedule.tz) == ("update-cafe-stats-daily", "0 3 * * *", "Europe/Berlin")
    assert schedule.data == UpdateCafeStats(city_slug=None)
    berlin = ZoneInfo("Europe/Berlin")
    noon = datetime(2026, 7, 1, 12, tzinfo=berlin).timestamp()
    assert datetime.fromtimestamp(schedule.timing.next_after(noon) or 0, berlin).hour == 3


def test_development_brings_a_database_unless_one_or_a_supabase_project_is_set() -> None:
    assert app.development.postgres_url == "DATABASE_URL"
    assert app.development.instead == ("NEXT_PUBLIC_SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY")
    assert app.development.prepare is not None


def test_services_without_a_database_are_a_settings_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", *app.development.instead):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError):
        app.services()
