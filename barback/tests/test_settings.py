"""Settings: where they come from, and what is said of wrong ones."""

import os
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, SecretStr

from barback.errors import SettingsError
from barback.payload_limits import PayloadLimits
from barback.settings import (
    Blank,
    EnvSettings,
    Settings,
    check_settings,
    concurrency_variable,
    load_settings,
    mask_url,
    read_variable,
)

SECRET = "s3cret"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without settings, and an environment that has none either."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.endswith("_CONCURRENCY") or name.startswith(("REDIS_", "BARBACK_")) or name == "NODE_ENV":
            monkeypatch.delenv(name)
    return tmp_path


def wrong(**variables: str) -> str:
    """What is said of these variables."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in variables.items():
            environment.setenv(name, value)
        with pytest.raises(SettingsError) as refusal:
            load_settings(Settings)
    return str(refusal.value)


def test_without_any_setting_the_defaults_hold() -> None:
    settings = load_settings(Settings)
    assert (settings.redis_url, settings.redis_db, settings.redis_prefix) == (None, 1, "bull")
    assert (settings.environment, settings.concurrency) == ("development", 20)
    assert (settings.lock_s, settings.stalled_check_s, settings.crash_limit, settings.grace_s) == (10, 5, 3, 25)
    assert settings.payload_limits == PayloadLimits()


def test_every_setting_is_read_from_the_variable_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "REDIS_URL": "redis://h:6379",
        "REDIS_DB": "2",
        "BARBACK_PREFIX": "other",
        "NODE_ENV": "production",
        "WORKER_CONCURRENCY": "7",
        "BARBACK_LOCK_S": "30",
        "BARBACK_STALLED_CHECK_S": "2.5",
        "BARBACK_CRASH_LIMIT": "1",
        "BARBACK_GRACE_S": "0",
        "BARBACK_PAYLOAD_WARN_KB": "1",
        "BARBACK_PAYLOAD_LIMIT_KB": "0",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(Settings)
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://h:6379"
    assert (settings.redis_db, settings.redis_prefix, settings.environment) == (2, "other", "production")
    assert (settings.concurrency, settings.lock_s, settings.stalled_check_s) == (7, 30, 2.5)
    assert settings.payload_limits == PayloadLimits(warn_bytes=1024, limit_bytes=0)
    assert (settings.crash_limit, settings.grace_s) == (1, 0)


def test_the_environment_wins_over_env_local_which_wins_over_env(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / ".env").write_text("REDIS_DB=3\nBARBACK_PREFIX=env\nWORKER_CONCURRENCY=3\n")
    (nowhere / ".env.local").write_text("REDIS_DB=4\nBARBACK_PREFIX=local\n")
    monkeypatch.setenv("REDIS_DB", "5")
    settings = load_settings(Settings)
    assert (settings.redis_db, settings.redis_prefix, settings.concurrency) == (5, "local", 3)


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "REDIS_DB", "WORKER_CONCURRENCY"):
        monkeypatch.setenv(name, "")
    settings = load_settings(Settings)
    assert (settings.redis_url, settings.redis_db, settings.concurrency) == (None, 1, 20)


def test_all_wrong_settings_are_named_in_one_message() -> None:
    message = wrong(REDIS_URL="http://h", REDIS_DB="many", WORKER_CONCURRENCY="0")
    assert message.splitlines() == [
        "Wrong settings:",
        "  REDIS_URL: expected redis:// or rediss://, got 'http://h'. "
        "In development leave it unset for an embedded server.",
        "  REDIS_DB: input should be a valid integer, unable to parse string as an integer, got 'many'.",
        "  WORKER_CONCURRENCY: input should be greater than or equal to 1, got '0'.",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_DB", "-1"),
        ("WORKER_CONCURRENCY", "10001"),
        ("WORKER_PROCESSES", "0"),
        ("WORKER_PROCESSES", "257"),
        ("BARBACK_LOCK_S", "0.5"),
        ("BARBACK_STALLED_CHECK_S", "0"),
        ("BARBACK_CRASH_LIMIT", "-1"),
        ("BARBACK_GRACE_S", "-1"),
        ("BARBACK_LOCK_S", "inf"),
        ("BARBACK_GRACE_S", "nan"),
    ],
)
def test_a_number_out_of_its_range_is_named_with_what_was_given(name: str, value: str) -> None:
    message = wrong(**{name: value})
    assert f"  {name}: input should be" in message
    assert f"got {value!r}." in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_DB", "0"),
        ("BARBACK_PREFIX", "b"),
        ("WORKER_CONCURRENCY", "1"),
        ("WORKER_CONCURRENCY", "10000"),
        ("WORKER_PROCESSES", "1"),
        ("WORKER_PROCESSES", "256"),
        ("BARBACK_LOCK_S", "1"),
        ("BARBACK_STALLED_CHECK_S", "0.1"),
    ],
)
def test_values_at_the_ends_of_their_ranges_are_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    load_settings(Settings)


@pytest.mark.parametrize("url", ["redis://h:6379", "rediss://u:p@h", "unix:///run/redis.sock", "redis://h:6379/1"])
def test_addresses_that_redis_understands_are_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    assert load_settings(Settings).redis_url is not None


@pytest.mark.parametrize("url", ["redis://h/3", "redis://h?db=3", "unix:///run/redis.sock?db=3"])
def test_a_database_in_the_address_must_be_the_same_one(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert wrong(REDIS_URL=url, REDIS_DB="2") == (
        "Wrong settings:\n  REDIS_DB: expected 3, which REDIS_URL names "
        "(make them equal, or take it out of there), got '2'."
    )
    assert "REDIS_DB: expected 3, which REDIS_URL names" in wrong(REDIS_URL=url, WORKER_CONCURRENCY="0")
    monkeypatch.setenv("REDIS_URL", url)
    monkeypatch.setenv("REDIS_DB", "3")
    assert load_settings(Settings).redis_db == 3


@pytest.mark.parametrize("name", ["NODE_ENV", "BARBACK_ENV"])
def test_an_installation_may_call_itself_anything(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "staging")
    assert load_settings(Settings).environment == "staging"


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{SECRET}@h",
        f"http://:{SECRET}@h",
        f"http://user:{SECRET}@in-it@h",
        f"http://user:a?{SECRET}@h",
        f"http://user:a/{SECRET}@h",
        f"http://h?password={SECRET}",
        f"http://h?password=a@{SECRET}",
        f"user:{SECRET}@h:6379",
        f"//user:{SECRET}@h:6379",
        f"redis//user:{SECRET}@h",
    ],
)
def test_no_password_is_ever_shown(url: str) -> None:
    message = wrong(REDIS_URL=url)
    assert "REDIS_URL" in message
    assert SECRET not in message
    assert SECRET not in mask_url(url)


@given(st.text(min_size=1), st.sampled_from(["", "user"]))
def test_no_password_is_shown_whatever_it_is_made_of(rest: str, user: str) -> None:
    assert SECRET not in mask_url(f"redis://{user}:{SECRET}{rest}@h:6379/1")
    assert SECRET not in mask_url(f"redis://{user}:{rest}{SECRET}@h:6379/1")


def test_all_but_the_password_is_shown() -> None:
    assert mask_url("redis://user:pw@h:6379/1") == "redis://user:***@h:6379/1"
    assert mask_url("redis://user@h:6379/1") == "redis://user@h:6379/1"
    assert mask_url("redis://:pw@h:6379") == "redis://:***@h:6379"
    assert mask_url("redis://h:6379/1?timeout=5") == "redis://h:6379/1"
    assert mask_url("unix:///run/redis.sock") == "unix:///run/redis.sock"


# ── concurrency of one queue ────────────────────────────────────────────────────────────────────────


def test_the_variable_of_a_queue_is_named_after_it() -> None:
    assert concurrency_variable("cafe-processing") == "CAFE_PROCESSING_CONCURRENCY"
    assert concurrency_variable("  a.b--c  ") == "A_B_C_CONCURRENCY"


def test_a_queues_concurrency_is_its_own_else_the_apps_else_the_general_one(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKER_CONCURRENCY", "7")
    settings = load_settings(Settings)
    assert settings.concurrency_of("cafe-processing") == 7
    assert settings.concurrency_of("cafe-processing", 5) == 5
    (nowhere / ".env").write_text("CAFE_PROCESSING_CONCURRENCY=3\n")
    assert settings.concurrency_of("cafe-processing", 5) == 3
    (nowhere / ".env.local").write_text("CAFE_PROCESSING_CONCURRENCY=4\n")
    assert settings.concurrency_of("cafe-processing", 5) == 4
    monkeypatch.setenv("CAFE_PROCESSING_CONCURRENCY", "2")
    assert settings.concurrency_of("cafe-processing", 5) == 2


@pytest.mark.parametrize("value", [1, 10_000])
def test_a_queues_concurrency_may_be_at_either_end_of_its_range(monkeypatch: pytest.MonkeyPatch, value: int) -> None:
    monkeypatch.setenv("CRON_JOBS_CONCURRENCY", str(value))
    assert load_settings(Settings).concurrency_of("cron-jobs") == value


@pytest.mark.parametrize("value", ["0", "10001", "many", "-1", "1.5", "100000", "٣"])
def test_a_queues_concurrency_must_be_a_whole_number_in_its_range(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CRON_JOBS_CONCURRENCY", value)
    with pytest.raises(SettingsError) as refusal:
        load_settings(Settings).concurrency_of("cron-jobs")
    assert str(refusal.value) == (
        f"Wrong settings:\n  CRON_JOBS_CONCURRENCY: expected a whole number from 1 to 10000, got {value!r}."
    )


def test_one_variable_is_read_from_where_all_settings_come_from(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_variable("ANY_NAME") is None
    (nowhere / ".env").write_text("ANY_NAME=file\n")
    assert read_variable("ANY_NAME") == "file"
    (nowhere / ".env.local").write_text("ANY_NAME=\n")
    assert read_variable("ANY_NAME") == "file"
    monkeypatch.setenv("ANY_NAME", "environment")
    assert read_variable("ANY_NAME") == "environment"


# ── an app's own settings ───────────────────────────────────────────────────────────────────────────


class Till(EnvSettings):
    """Settings as an app declares them."""

    pin: Annotated[SecretStr, Blank] = Field(validation_alias="TILL_PIN", min_length=8)
    drawers: int = Field(1, validation_alias="TILL_DRAWERS")


def test_an_apps_own_settings_have_the_same_messages_and_keep_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILL_PIN", SECRET)
    monkeypatch.setenv("TILL_DRAWERS", "two")
    with pytest.raises(SettingsError) as refusal:
        load_settings(Till)
    assert str(refusal.value) == (
        "Wrong settings:\n"
        "  TILL_PIN: value should have at least 8 items after validation, not 6.\n"
        "  TILL_DRAWERS: input should be a valid integer, unable to parse string as an integer, got 'two'."
    )


def test_wrong_settings_of_all_kinds_and_queues_are_named_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "REDIS_URL": f"redis://u:{SECRET}@h/3",
        "TILL_PIN": SECRET,
        "TILL_DRAWERS": "two",
        "CRON_JOBS_CONCURRENCY": "0",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refusal:
        check_settings((Settings, Till, Till), ("cron-jobs", "other"))
    assert [line.partition(":")[0] for line in str(refusal.value).splitlines()] == [
        "Wrong settings",
        "  REDIS_DB",
        "  TILL_PIN",
        "  TILL_DRAWERS",
        "  CRON_JOBS_CONCURRENCY",
    ]
    assert SECRET not in str(refusal.value)


def test_right_settings_pass_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILL_PIN", "12345678")
    monkeypatch.setenv("CRON_JOBS_CONCURRENCY", "1")
    check_settings((Settings, Till), ("cron-jobs",))


def test_a_setting_that_must_be_there_and_is_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TILL_PIN", raising=False)
    with pytest.raises(SettingsError) as refusal:
        load_settings(Till)
    assert str(refusal.value) == "Wrong settings:\n  TILL_PIN: field required."


@pytest.mark.parametrize("name", ["BARBACK_PAYLOAD_WARN_KB", "BARBACK_PAYLOAD_LIMIT_KB"])
@pytest.mark.parametrize("value", ["-1", "1.5", "2 MB"])
def test_a_payload_limit_is_a_whole_number_of_kb(name: str, value: str) -> None:
    assert f"{name}: " in wrong(**{name: value})
