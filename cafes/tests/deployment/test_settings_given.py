"""Each process is given, through compose, each setting that it reads, and no other (P43)."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import AliasChoices

from barback import release
from barback.cli.app_lookup import VARIABLE as APP
from barback.dashboard.signing_in.settings import DashboardSettings
from barback.settings import EnvSettings, Settings, concurrency_variable, load_settings, variables_of
from cafes.settings import KINDS, QueueNames

from ..supabase_side import SECRET_KEY as KEY
from .compose import ROOT, image_environment, read_compose, read_document, variables
from .running import ENV

TO_LOOK = {"REDIS_URL", "REDIS_DB", "BARBACK_PREFIX", "NODE_ENV"}
"""Of barback's own settings those that the dashboard reads."""
TO_WORK = {
    "WORKER_CONCURRENCY", "WORKER_PROCESSES", "BARBACK_LOCK_S", "BARBACK_STALLED_CHECK_S", "BARBACK_CRASH_LIMIT",
    "BARBACK_GRACE_S", "BARBACK_HEALTH_PORT", "BARBACK_HEALTH_HOST", "BARBACK_PAYLOAD_WARN_KB",
    "BARBACK_PAYLOAD_LIMIT_KB",
}  # fmt: skip
"""Those that it does not."""
BY_NAME = {release.VARIABLE, *(concurrency_variable(str(field.default)) for field in QueueNames.model_fields.values())}
"""What a worker reads that is in no class of settings."""
OF_POSTGRES = {"POSTGRES_DB", "POSTGRES_PASSWORD"}
FIXED = {"REDIS_URL", "BARBACK_HEALTH_PORT", "BARBACK_HEALTH_HOST", "POSTGRES_DB"}
"""What compose says itself."""
OF_COMPOSE = {
    "REDIS_WORKER_PASSWORD", "REDIS_DASHBOARD_PASSWORD", "REDIS_APP_PASSWORD", "REDIS_PORT", "REDIS_MAXMEMORY",
    "DASHBOARD_PORT", "WORKER_MEMORY", "DASHBOARD_MEMORY",
}  # fmt: skip
"""What no process of ours reads by that name."""


def names(kind: type[EnvSettings]) -> set[str]:
    """The variables of a class of settings; of one that has several names the first."""
    aliases = [info.validation_alias for info in kind.model_fields.values()]
    return {str(one.choices[0] if isinstance(one, AliasChoices) else one) for one in aliases}


def given_to(name: str, **said: str) -> dict[str, str]:
    return read_compose({**ENV, **said})[name].environment


def test_of_each_setting_of_barback_somebody_said_who_reads_it() -> None:
    assert names(Settings) == TO_LOOK | TO_WORK


def test_the_worker_is_given_all_that_it_reads() -> None:
    assert given_to("worker").keys() == TO_LOOK | TO_WORK | BY_NAME | {name for kind in KINDS for name in names(kind)}


def test_the_dashboard_is_given_all_that_it_reads_and_nothing_that_opens_the_database() -> None:
    assert given_to("dashboard").keys() == TO_LOOK | names(DashboardSettings)


def test_migrations_are_given_the_database_alone() -> None:
    assert given_to("migrate").keys() == {"DATABASE_URL"}
    assert given_to("postgres").keys() == OF_POSTGRES


def test_what_redis_is_told_its_script_reads() -> None:
    script = (ROOT / "deploy" / "start-redis.sh").read_text()
    assert set(re.findall(r"\$\{(\w+):[?-]", script)) - {"USERS_FILE"} == given_to("redis").keys()


def test_the_image_says_what_its_processes_read() -> None:
    python = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    assert image_environment().keys() - python == {APP}
    assert image_environment()[APP] == "cafes.app:app"


@pytest.mark.parametrize("name", ["worker", "dashboard", "migrate", "redis"])
def test_what_is_said_in_the_file_arrives_under_its_own_name(name: str) -> None:
    said = {variable: f"said-{variable}" for variable in variables()}
    for variable, value in given_to(name, **said).items():
        assert variable in FIXED or value == f"said-{variable}"


@pytest.mark.parametrize(("name", "kinds"), [("worker", (Settings, *KINDS)), ("dashboard", (DashboardSettings,))])
def test_what_is_left_out_counts_as_not_set(
    name: str, kinds: tuple[type[EnvSettings], ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_environment(monkeypatch, tmp_path, given_to(name))
    said = {"redis_url", "health_port", "health_host", "environment", "password_hash", "origins"}
    for kind in kinds:
        loaded = load_settings(kind)
        assert {
            field for field in kind.model_fields if getattr(loaded, field) != kind.model_fields[field].default
        } <= said
    for variable in BY_NAME & given_to(name).keys():
        assert not given_to(name)[variable]


def test_what_a_secret_file_says_counts_where_compose_says_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As docs/docker.md has it: the file lies where the process is started."""
    set_environment(monkeypatch, tmp_path, {**given_to("worker"), "REDIS_URL": ""})
    (tmp_path / ".env.local").write_text("REDIS_URL=redis://of-the-file\nDATABASE_CONNECTIONS=3\n")
    url = load_settings(Settings).redis_url
    assert url is not None
    assert url.get_secret_value() == "redis://of-the-file"
    assert load_settings(KINDS[0]).model_dump()["connections"] == 3
    [folder] = re.findall(r"^WORKDIR (\S+)$", (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2], re.MULTILINE)
    assert f"{folder}/.env.local" in (ROOT / "docs" / "docker.md").read_text()


def test_all_look_at_the_same_keys() -> None:
    for said in ({}, {"REDIS_DB": "7", "BARBACK_PREFIX": "own"}):
        for name in ("worker", "dashboard"):
            assert given_to(name, **said)["REDIS_DB"] == said.get("REDIS_DB", "1")
        for name in ("worker", "dashboard", "redis"):
            assert given_to(name, **said)["BARBACK_PREFIX"] == said.get("BARBACK_PREFIX", "bull")


def test_no_key_of_the_database_is_anywhere_in_the_dashboard() -> None:
    given = read_compose({**ENV, "SUPABASE_SERVICE_ROLE_KEY": KEY, "DATABASE_URL": f"postgresql://x:{KEY}@db/x"})
    assert KEY not in str(given["dashboard"].settings)
    assert "env_file" not in str(read_document())
    assert KEY in str(given["worker"].settings)


def test_every_variable_is_explained_in_the_example_and_every_example_is_read() -> None:
    explained = re.findall(r"^#?(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(explained) == len(set(explained))
    assert variables() == set(explained)
    known = variables_of([Settings, DashboardSettings, *KINDS]) | BY_NAME | OF_POSTGRES
    assert variables() == (known | OF_COMPOSE) - FIXED - {"BARBACK_ENV"}


def set_environment(monkeypatch: pytest.MonkeyPatch, folder: Path, environment: Mapping[str, str]) -> None:
    for name in variables_of([Settings, DashboardSettings, *KINDS]) | BY_NAME:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
