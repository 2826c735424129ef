"""The compose file: what is named is there, nothing has rights that it does not need, work may end (P43)."""

import re
from datetime import timedelta
from typing import Any

import pytest

from barback.cli import main as barback
from barback.cli.dashboard import PORT
from barback.settings import Settings
from cafes.cli import main as cafes

from .compose import ROOT, Service, read_compose, read_document
from .running import ENV

OURS = ("worker", "dashboard", "migrate")
"""Those of our image."""
READ_ONLY = (*OURS, "redis")
"""Postgres's image changes its user itself."""
DATA = {"redis": "/data", "postgres": "/var/lib/postgresql"}
"""What the images write and must not lose."""


def services() -> dict[str, Service]:
    return read_compose(ENV)


def service(name: str) -> Service:
    return services()[name]


def test_services_and_volumes_that_are_named_are_there_and_none_is_left_over() -> None:
    named = {name for one in services().values() for name in one.settings.get("depends_on", {})}
    assert named <= services().keys()
    volumes = [volume for one in services().values() for volume in one.volumes]
    assert {one.source for one in volumes if not one.is_of_this_folder} == read_document()["volumes"].keys()
    assert all((ROOT / one.source).exists() for one in volumes if one.is_of_this_folder)


@pytest.mark.parametrize("name", DATA)
def test_data_lies_in_a_volume(name: str) -> None:
    assert [one.target for one in service(name).volumes if not one.is_of_this_folder] == [DATA[name]]


def test_each_path_that_redis_is_told_is_mounted() -> None:
    redis = service("redis")
    command = redis.command
    assert command[command.index("--dir") + 1] == DATA["redis"]
    for path in [word for word in command if word.startswith("/")]:
        [mounted] = [one for one in redis.volumes if path == one.target or path.startswith(f"{one.target}/")]
        if mounted.is_of_this_folder:
            assert (ROOT / mounted.source / path.removeprefix(mounted.target).lstrip("/")).is_file()
    [users] = re.findall(r"USERS_FILE:-(\S+)/users\.acl\}", (ROOT / "deploy" / "start-redis.sh").read_text())
    uid, gid = redis.settings["user"].split(":")
    assert redis.settings["tmpfs"] == [f"{users}:mode=0700,uid={uid},gid={gid}"]


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one(name: str) -> None:
    program, command, *options = service(name).command
    commands = {"barback": barback, "cafes": cafes}[program].commands
    known = {option for parameter in commands[command].params for option in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= known


def test_each_service_begins_after_what_it_needs() -> None:
    healthy, done = {"condition": "service_healthy"}, {"condition": "service_completed_successfully"}
    left_out = {"required": False}
    needs = {name: one.settings.get("depends_on", {}) for name, one in services().items()}
    assert needs == {
        "redis": {},
        "postgres": {},
        "migrate": {"postgres": healthy},
        "dashboard": {"redis": healthy},
        "worker": {"redis": healthy, "postgres": healthy | left_out, "migrate": done | left_out},
    }
    for one in needs.values():
        for needed, how in one.items():
            assert how["condition"] != healthy["condition"] or service(needed).health_check
    # What compose refuses to start without its profile must not be needed without it.
    assert {name for name, one in services().items() if "profiles" in one.settings} == {"postgres", "migrate"}


@pytest.mark.parametrize("name", OURS)
def test_what_handlers_leave_behind_is_reaped_and_they_have_a_place_for_files(name: str) -> None:
    settings = service(name).settings
    assert settings["init"] is True
    assert settings["tmpfs"] == ["/tmp"]


@pytest.mark.parametrize("name", READ_ONLY)
def test_nothing_gets_more_rights_and_no_root_file_system_is_written(name: str) -> None:
    settings = service(name).settings
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]
    assert settings["pids_limit"] >= 100


@pytest.mark.parametrize("name", ["worker", "dashboard"])
def test_a_handler_that_takes_all_memory_takes_it_from_its_own_service(name: str) -> None:
    assert service(name).settings["mem_limit"] == "512m"


def test_nothing_is_published_beyond_this_machine() -> None:
    for one in services().values():
        assert all(str(port).startswith("127.0.0.1:") for port in one.settings.get("ports", []))
    assert service("redis").settings["ports"] == ["127.0.0.1:6379:6379"]
    assert service("dashboard").settings["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert "ports" not in service("worker").settings


@pytest.mark.parametrize("name", ["redis", "postgres", "worker", "dashboard"])
def test_what_ends_is_started_again_and_what_hangs_is_seen(name: str) -> None:
    settings: dict[str, Any] = dict(service(name).settings)
    assert settings["restart"] == "unless-stopped"
    check = settings["healthcheck"]
    assert seconds(check["timeout"]) <= seconds(check["interval"])
    assert settings["logging"]["options"].keys() == {"max-size", "max-file"}


def test_migrations_are_made_once() -> None:
    assert service("migrate").settings["restart"] == "no"


@pytest.mark.parametrize("grace_s", [None, "0", "90", "2.5"])
def test_what_stops_is_given_longer_than_its_drain_however_long_that_is_set(grace_s: str | None) -> None:
    given = read_compose({**ENV, **({"BARBACK_GRACE_S": grace_s} if grace_s else {})})["worker"]
    drain_s = float(grace_s or Settings.model_fields["grace_s"].default)
    assert given.environment["BARBACK_GRACE_S"] == (grace_s or "")
    assert seconds(given.settings["stop_grace_period"]) >= drain_s + 10


def seconds(duration: str) -> float:
    """`1m25s` → 85.0."""
    found = re.fullmatch(r"(?:(\d+)m)?(?:([\d.]+)s)?", duration)
    assert found, duration
    return timedelta(minutes=int(found[1] or 0), seconds=float(found[2] or 0)).total_seconds()
