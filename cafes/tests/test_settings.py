"""The service's own settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from barback.errors import SettingsError
from barback.settings import load_settings
from cafes.settings import QueueNames, StoreSettings

NAMES = ("DATABASE_URL", "DATABASE_CONNECTIONS", "NEXT_PUBLIC_SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*NAMES, "CAFE_PROCESSING_QUEUE", "CRON_JOBS_QUEUE"):
        monkeypatch.delenv(name, raising=False)


def test_the_queues_have_the_names_that_the_typescript_app_knows() -> None:
    names = load_settings(QueueNames)
    assert (names.cafe_processing, names.cron_jobs) == ("cafe-processing", "cron-jobs")


def test_jobs_are_in_the_queues_that_the_settings_name(tmp_path: Path) -> None:
    (tmp_path / ".env.local").write_text("CAFE_PROCESSING_QUEUE=cafes-2\nCRON_JOBS_QUEUE=nightly\n")
    code = "from cafes.app import app; print(*sorted(f'{job.name} in {job.queue}' for job in app.registry.jobs))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert found.stdout == "process-cafe in cafes-2 update-cafe-stats in nightly\n"


def test_a_queue_name_that_bullmq_would_break_on_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRON_JOBS_QUEUE", "cron:jobs")
    with pytest.raises(SettingsError, match="CRON_JOBS_QUEUE: expected a name without ':'"):
        load_settings(QueueNames)


def test_a_database_must_be_named() -> None:
    with pytest.raises(SettingsError, match=r"DATABASE_URL: not set\. Expected postgresql://"):
        load_settings(StoreSettings).postgres_url()


def test_a_supabase_project_wins_over_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is then for `cafes migrate`, which the API cannot do."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@h/d")
    assert load_settings(StoreSettings).supabase is None
    monkeypatch.setenv("NEXT_PUBLIC_SUPABASE_URL", "https://x.supabase.co")
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_geheim")
    project = load_settings(StoreSettings).supabase
    assert project is not None
    assert (project.url, project.key.get_secret_value()) == ("https://x.supabase.co", "sb_secret_geheim")
    assert "geheim" not in repr(project)
    assert load_settings(StoreSettings).migrated_url() == "postgresql://u@h/d"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "NEXT_PUBLIC_SUPABASE_URL",
            "https://x.supabase.co",
            "SUPABASE_SERVICE_ROLE_KEY: not set, and NEXT_PUBLIC_SUPABASE_URL is",
        ),
        (
            "SUPABASE_SERVICE_ROLE_KEY",
            "sb_secret_geheim",
            "SUPABASE_SERVICE_ROLE_KEY: set, but NEXT_PUBLIC_SUPABASE_URL is not",
        ),
    ],
)
def test_half_a_supabase_project_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said) as raised:
        load_settings(StoreSettings)
    assert "geheim" not in str(raised.value)
    assert len(str(raised.value).splitlines()) == 2


def test_beside_a_database_the_address_of_a_project_chooses_nothing_but_a_key_without_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pages have the address too, and the dashboard, for signing in."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@h/d")
    monkeypatch.setenv("NEXT_PUBLIC_SUPABASE_URL", "https://x.supabase.co")
    assert load_settings(StoreSettings).supabase is None
    monkeypatch.delenv("NEXT_PUBLIC_SUPABASE_URL")
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_geheim")
    with pytest.raises(SettingsError, match="SUPABASE_SERVICE_ROLE_KEY: set, but NEXT_PUBLIC_SUPABASE_URL is not"):
        load_settings(StoreSettings)


@pytest.mark.parametrize(
    "address",
    [
        "x.supabase.co",
        "postgresql://u:geheim@h/d",
        "https://",
        "https://u:geheim@x.supabase.co",
        "https://x/?key=geheim",
    ],
)
def test_an_address_that_is_no_projects_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NEXT_PUBLIC_SUPABASE_URL", address)
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_x")
    with pytest.raises(
        SettingsError, match=r"NEXT_PUBLIC_SUPABASE_URL: expected https://<project>\.supabase\.co"
    ) as raised:
        load_settings(StoreSettings)
    assert "geheim" not in str(raised.value)
    assert len(str(raised.value).splitlines()) == 2


@pytest.mark.parametrize("key", ["Bearer geheim", "geheim\n", "gehéim", " "])
def test_a_key_that_is_more_than_a_key_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("NEXT_PUBLIC_SUPABASE_URL", "https://x.supabase.co")
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", key)
    with pytest.raises(SettingsError, match="SUPABASE_SERVICE_ROLE_KEY: expected the key alone") as raised:
        load_settings(StoreSettings)
    assert "heim" not in str(raised.value)


def test_with_a_project_alone_migrating_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXT_PUBLIC_SUPABASE_URL", "https://x.supabase.co")
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_geheim")
    with pytest.raises(SettingsError, match=r"DATABASE_URL: not set.*or run `supabase db push`"):
        load_settings(StoreSettings).migrated_url()


@pytest.mark.parametrize("address", ["mysql://worker:geheim@db/cafes", "host=db port=5432 password=geheim"])
def test_another_kind_of_address_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("DATABASE_URL", address)
    with pytest.raises(SettingsError, match="DATABASE_URL: expected postgresql://user:password@host:port/d") as raised:
        load_settings(StoreSettings)
    assert "geheim" not in str(raised.value)


def test_all_wrong_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "db")
    monkeypatch.setenv("DATABASE_CONNECTIONS", "0")
    with pytest.raises(SettingsError) as raised:
        load_settings(StoreSettings)
    assert "DATABASE_URL" in str(raised.value)
    assert "DATABASE_CONNECTIONS" in str(raised.value)


def test_secrets_are_not_shown() -> None:
    project = {"NEXT_PUBLIC_SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_ROLE_KEY": "geheim"}
    settings = StoreSettings(DATABASE_URL="postgresql://u:geheim@h/d", **project)  # pyright: ignore[reportCallIssue]
    assert "geheim" not in repr(settings)
    assert settings.postgres_url() == "postgresql://u:geheim@h/d"


WRONG = {
    "REDIS_URL": "redis://u:geheim@h/3",
    "REDIS_DB": "2",
    "WORKER_CONCURRENCY": "0",
    "DATABASE_URL": "mysql://u:geheim@h/d",
    "DATABASE_CONNECTIONS": "0",
    "CAFE_PROCESSING_CONCURRENCY": "many",
}
NAMED = ("REDIS_DB", "WORKER_CONCURRENCY", "DATABASE_URL", "DATABASE_CONNECTIONS", "CAFE_PROCESSING_CONCURRENCY")


@pytest.mark.parametrize("command", ["barback --app cafes.app:app work", "cafes import no-such.csv"])
@pytest.mark.parametrize("queue", [{}, {"CRON_JOBS_QUEUE": "cron:jobs"}], ids=["queues right", "queue wrong"])
def test_all_wrong_settings_of_barback_and_the_service_are_named_in_one_message(
    tmp_path: Path, command: str, queue: dict[str, str]
) -> None:
    program, *arguments = command.split()
    code = f"from {program}.cli import main; main(prog_name={program!r})"
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, **WRONG, **queue, "NODE_ENV": "staging"},
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{program}: Wrong settings:\n")
    said = {line.partition(":")[0].strip() for line in ended.stderr.splitlines()[1:]}
    assert said == {*NAMED, *queue}
    assert "geheim" not in ended.stderr
