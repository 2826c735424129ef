"""How Redis is started, stopped and copied: by the commands of the compose file and of docs/production.md."""

import re
import shlex
import socket
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from .compose import ROOT, read_compose
from .running import ENV, Running, in_folder, redis_environment, started_redis

PASSWORDS = [value for name, value in ENV.items() if name.startswith("REDIS_")]
OF_REDIS = re.compile(r"^docker compose run --rm --no-deps -T redis (.*) [<>] redis\.tar\.gz$", re.MULTILINE)


def test_it_writes_all_down_and_refuses_what_is_too_much_instead_of_forgetting(server: Running) -> None:
    with closing(server.client("worker")) as client:
        told = client.info("everything")
    assert told["aof_enabled"] == 1
    assert (told["maxmemory"], told["maxmemory_policy"]) == (512 * 1024**2, "noeviction")
    assert (server.folder / "data" / "appendonlydir").is_dir()


def test_passwords_are_kept_as_hashes_in_a_file_for_its_own_user(server: Running) -> None:
    users = server.folder / "users.acl"
    assert stat.S_IMODE(users.stat().st_mode) == 0o600
    assert not any(password in users.read_text() for password in PASSWORDS)


def start_without_server(folder: Path, prefix: str = "bull") -> "subprocess.CompletedProcess[str]":
    """With a program in the place of the server that prints what environment it is given."""
    program = folder / "valkey-server"
    program.write_text("#!/bin/sh\nenv\n")
    program.chmod(0o755)
    command = in_folder(read_compose(ENV)["redis"].command, folder)
    environment = {**redis_environment(folder), "BARBACK_PREFIX": prefix}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_server_itself_is_not_given_the_passwords(tmp_path: Path) -> None:
    told = start_without_server(tmp_path).stdout
    assert "USERS_FILE=" in told
    assert not any(password in told for password in PASSWORDS)


@pytest.mark.parametrize("prefix", ["bull", "shop-2", "{shop}"])
def test_users_may_use_the_keys_of_the_prefix_that_is_set(tmp_path: Path, prefix: str) -> None:
    assert start_without_server(tmp_path, prefix).returncode == 0
    users = [line for line in (tmp_path / "users.acl").read_text().splitlines() if " default " not in line]
    assert [re.findall(r"~\S+", line) for line in users] == [[f"~{prefix}:*", "~barback:*"]] * 2 + [[f"~{prefix}:*"]]


@pytest.mark.parametrize("prefix", ["*", "a/b", "a b", "a?", "a&b"])
def test_a_prefix_that_would_mean_other_keys_is_refused(tmp_path: Path, prefix: str) -> None:
    refused = start_without_server(tmp_path, prefix)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "BARBACK_PREFIX" in refused.stderr


def test_it_answers_other_machines(tmp_path: Path) -> None:
    """Which protected mode would refuse, also where its image does not turn that off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but 127.0.0.1")
        host = probe.getsockname()[0]
    with started_redis(tmp_path, host) as running, closing(running.client("app", host=host)) as client:
        assert client.ping()


def test_a_copy_is_made_and_restored_as_the_docs_say(tmp_path: Path) -> None:
    copy, restore = (shlex.split(line) for line in OF_REDIS.findall((ROOT / "docs" / "production.md").read_text()))
    with started_redis(tmp_path) as running:
        write(running, "before")
        running.stop()
        copied = subprocess.run(in_folder(copy, tmp_path), capture_output=True, check=True).stdout
    with started_redis(tmp_path) as running:
        write(running, "after")
        running.stop()
        subprocess.run(in_folder(restore, tmp_path), input=copied, check=True)
    with started_redis(tmp_path) as running, closing(running.client("worker")) as client:
        assert client.get("bull:before:id") == "1"
        assert client.get("bull:after:id") is None


def write(running: Running, queue: str) -> None:
    with closing(running.client("worker")) as client:
        client.set(f"bull:{queue}:id", 1)
