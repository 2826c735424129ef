"""No secret gets out (P46): each is a canary, every way to fail is gone, and nobody sings."""

import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import redis

from barback.embedded import EmbeddedValkey

from .canary_app import JOBS, QUEUE
from .deployment.running import free_port, get, until

SONG = "tweet7f3a9c"
"""In each canary, and in nothing else. Whatever is cut out of a canary at a sign that means something holds it too."""
ODD = f"{SONG}@{SONG}/{SONG}?{SONG}#{SONG}:{SONG}"
"""As people write passwords that hold signs of their own into an address."""
REFUSED = "127.0.0.1:1"
KEY = f"sb_secret_{SONG}"
PASSWORD = f"{SONG}-Long-enough-9"

REDIS_WITHOUT_ANSWER = {
    "refused": f"redis://worker:{SONG}@{REFUSED}/1",
    "no host": f"redis://:{SONG}@nowhere.invalid:6379/1",
    "no socket": f"unix://worker:{SONG}@/nowhere/redis.sock?db=1",
    "odd": f"redis://worker:{ODD}@{REFUSED}",
    "odd port": f"redis://worker:{SONG}@127.0.0.1:{SONG}/1",
    "password in the query": f"redis://{REFUSED}/1?password={SONG}",
    "another scheme": f"http://worker:{SONG}@{REFUSED}",
    "no scheme": f"worker:{SONG}@{REFUSED}",
    "password alone": SONG,
    "another database": f"redis://:{SONG}@{REFUSED}/7",
    "bracket": f"redis://:{SONG}[{SONG}@{REFUSED}",
}  # fmt: skip
DATABASES = {
    "refused": f"postgresql://worker:{SONG}@{REFUSED}/cafes",
    "no host": f"postgresql://worker:{SONG}@nowhere.invalid/cafes",
    "odd": f"postgresql://worker:{ODD}@{REFUSED}/cafes",
    "odd at": f"postgresql://worker:{SONG}@{SONG}@{REFUSED}/cafes",
    "odd slash": f"postgresql://worker:{SONG}/{SONG}@{REFUSED}/cafes",
    "odd question mark": f"postgresql://worker:{SONG}?{SONG}=1@{REFUSED}/cafes",
    "odd percent": f"postgresql://worker:{SONG}%zz@{REFUSED}/cafes",
    "odd port": f"postgresql://worker@{REFUSED}:{SONG}/cafes",
    "odd bracket": f"postgresql://worker:{SONG}@[{SONG}/cafes",
    "password in the query": f"postgresql://worker@{REFUSED}/cafes?password={SONG}",
    "unknown option": f"postgresql://worker@{REFUSED}/cafes?passwort={SONG}",
    "another scheme": f"mysql://worker:{SONG}@{REFUSED}/cafes",
    "key and value": f"host=127.0.0.1 port=1 password={SONG}",
}  # fmt: skip
PROJECTS = {
    "refused": (f"http://{REFUSED}", KEY),
    "no host": ("https://nowhere.invalid", KEY),
    "no key of a service": (f"http://{REFUSED}", f"sb_publishable_{SONG}"),
    "a key with spaces": (f"http://{REFUSED}", f"{SONG} {SONG}"),
    "a key that is no text of a header": (f"http://{REFUSED}", f"{SONG}\N{BIRD}"),
    "a key in the address": (f"https://{SONG}:{SONG}@{REFUSED}", KEY),
    "a key in the query": (f"https://{REFUSED}/?apikey={SONG}", KEY),
    "a key alone": ("", KEY),
}  # fmt: skip
SIGNING_IN = {
    "too short": {"DASHBOARD_PASSWORD": SONG},
    "like its user": {"DASHBOARD_USER": PASSWORD, "DASHBOARD_PASSWORD": PASSWORD},
    "no hash": {"DASHBOARD_PASSWORD_HASH": SONG},
    "a hash cut short": {"DASHBOARD_PASSWORD_HASH": f"scrypt.15.8.3.{SONG}"},
    "both": {"DASHBOARD_PASSWORD": PASSWORD, "DASHBOARD_PASSWORD_HASH": f"scrypt.15.8.3.{SONG}"},
    "users": {"DASHBOARD_USERS": f"vera:viewer:{SONG}"},
    "users without a role": {"DASHBOARD_USERS": f"vera:{SONG}"},
    "users that are a password": {"DASHBOARD_USERS": SONG},
    "secret": {"DASHBOARD_PASSWORD": PASSWORD, "DASHBOARD_SECRET": SONG},
    "legacy secret": {"DASHBOARD_SUPABASE_JWT_SECRET": SONG, "DASHBOARD_SUPABASE": "1"},
}  # fmt: skip


@pytest.fixture(scope="module")
def guarded() -> Iterator[int]:
    """The port of a Valkey whose password is a canary."""
    with EmbeddedValkey(port=0) as server:
        with closing(cast("Any", redis.Redis)(port=server.port)) as client:
            client.config_set("requirepass", SONG)
        assert server.port
        yield server.port


@pytest.fixture(scope="module")
def refusing() -> Iterator[str]:
    """The address of a Supabase project that takes no key."""

    class Refuse(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b'{"message": "Invalid API key", "hint": "Double check your API key."}'
            self.send_response(401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


HERE = {"PYTHONPATH": str(Path(__file__).parent)}
CAFES = {"BARBACK_APP": "cafes.app:app"}
Call = tuple[list[str], dict[str, str]]
KINDS: dict[str, tuple[str, ...]] = {
    "redis": ("jobs", "doctor", "work", "doctor --json", "dashboard", "schedules", "enqueue update-cafe-stats"),
    "database": ("migrate", "work", "doctor", "import cafes.csv"),
    "project": ("doctor", "work", "migrate", "import cafes.csv"),
    "signing in": ("dashboard", "doctor"),
}
"""What reads each kind of settings."""


def variants(kind: str, port: int, refusing: str) -> list[dict[str, str]]:
    """Settings of this kind with which nothing works."""
    here = f"{SONG}@127.0.0.1:{port}"
    if kind == "redis":
        answered = [f"redis://:wrong-{here}/1", f"redis://nobody:{here}/1", f"rediss://:{here}/1"]
        return [
            {"REDIS_URL": url, "DATABASE_URL": DATABASES["refused"]}
            for url in [*answered, *REDIS_WITHOUT_ANSWER.values()]
        ]
    redis_url = {"REDIS_URL": f"redis://:{here}/1"}
    if kind == "database":
        without_tls = f"postgresql://worker:{here}/cafes?sslmode=require"
        return [{**redis_url, "DATABASE_URL": url} for url in [without_tls, *DATABASES.values()]]
    if kind == "project":
        return [
            {**redis_url, "NEXT_PUBLIC_SUPABASE_URL": url, "SUPABASE_SERVICE_ROLE_KEY": key, "NEXT_PUBLIC_KEY": KEY}
            for url, key in [(refusing, KEY), *PROJECTS.values()]
        ]
    return [{**redis_url, "DATABASE_URL": DATABASES["refused"], **settings} for settings in SIGNING_IN.values()]


def ended(calls: list[Call], folder: Path, codes: tuple[int, ...] = (1, 2)) -> list[str]:
    """What each printed; each ended with one of these codes."""
    (folder / "cafes.csv").write_text("name,city\nAmsel,Leipzig\n")
    clean = {name: value for name, value in os.environ.items() if not SETTING.match(name)} | HERE | CAFES
    given = [{"arguments": arguments, "environment": environment} for arguments, environment in calls]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "many_commands.py")],
        input=json.dumps(given), capture_output=True, text=True, timeout=300, cwd=folder, env=clean, check=True,
    )  # fmt: skip
    answers = json.loads(done.stdout)
    for (arguments, environment), answer in zip(calls, answers, strict=True):
        assert answer["code"] in codes, (arguments, environment, answer)
    return [answer["said"] for answer in answers]


SETTING = re.compile(r"REDIS_|DATABASE_|DASHBOARD_|NEXT_PUBLIC_|SUPABASE_|BARBACK_|NODE_ENV|WORKER_")


# ── what does not start ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "commands"),
    [
        ("redis", KINDS["redis"][:1]),
        ("database", KINDS["database"][:1]),
        *(pytest.param(kind, commands, marks=pytest.mark.slow) for kind, commands in KINDS.items()),
    ],
)
def test_no_command_that_fails_shows_a_secret(
    kind: str, commands: tuple[str, ...], guarded: int, refusing: str, tmp_path: Path
) -> None:
    """Traceback and all: each is called with `--debug`."""
    calls = [
        (["cafes" if command.startswith(("migrate", "import")) else "barback", "--debug", *command.split()], settings)
        for settings in variants(kind, guarded, refusing)
        for command in commands
    ]
    for call, said in zip(calls, ended(calls, tmp_path), strict=True):
        assert SONG not in said.lower(), (call, said)


# ── what runs ───────────────────────────────────────────────────────────────────────────────────────────

REASONS = {"no answer within", "refused after", "none of", "process exited", "its timeout", "fit: token", "fit: more"}


def launch(arguments: list[str], environment: dict[str, str], folder: Path, log: str) -> "subprocess.Popen[str]":
    clean = {name: value for name, value in os.environ.items() if not SETTING.match(name)}
    with (folder / log).open("w") as told:
        return subprocess.Popen(
            [sys.executable, "-m", "barback.cli", *arguments],
            cwd=folder, env=clean | environment | HERE, stdout=told, stderr=told, text=True,
        )  # fmt: skip


@pytest.mark.slow
def test_nothing_that_runs_lets_a_secret_out(guarded: int, tmp_path: Path) -> None:
    """Its logs, what it stores, its pages, its metrics and its processes, whatever its handlers raise."""
    health, port = free_port(), free_port()
    environment = {
        "REDIS_URL": f"redis://:{SONG}@127.0.0.1:{guarded}/1",
        "DATABASE_URL": DATABASES["refused"],
        "NEXT_PUBLIC_SUPABASE_URL": f"http://{REFUSED}",
        "SUPABASE_SERVICE_ROLE_KEY": KEY,
        "DASHBOARD_PASSWORD": PASSWORD,
        "DASHBOARD_SECRET": SONG * 4,
        "BARBACK_APP": "canary_app:app",
        "BARBACK_HEALTH_PORT": str(health),
    }
    shown = (
        "jobs",
        f"jobs list {QUEUE} --state=failed --json",
        f"jobs show {QUEUE} canary-0",
        f"jobs show {QUEUE} canary-6",
    )
    looks = [(["barback", *command.split()], environment) for command in shown]
    worker = launch(["work"], environment, tmp_path, "worker.log")
    dashboard = launch(["dashboard", f"--port={port}"], environment, tmp_path, "dashboard.log")
    try:
        until(lambda: get(health, "/ready") == 200, (tmp_path / "worker.log").read_text)
        until(lambda: get(port, "/dashboard/queues/sign-in") == 200, (tmp_path / "dashboard.log").read_text)
        with closing(cast("Any", redis.Redis)(port=guarded, password=SONG, db=1, decode_responses=True)) as client:
            ids = add_jobs(client)
            until(lambda: client.zcard(f"bull:{QUEUE}:failed") == len(ids), (tmp_path / "worker.log").read_text)
            reasons = [client.hget(f"bull:{QUEUE}:{one}", "failedReason") for one in ids]
            told = {
                "pages": "\n".join(pages(f"http://127.0.0.1:{port}", ids)),
                "metrics": httpx2.get(f"http://127.0.0.1:{health}/metrics").text,
                "redis": "\n".join(stored(client)),
                "processes": "\n".join(processes()),
                "commands": "\n".join(ended(looks, tmp_path, (0,))),
            }
    finally:
        for process in (worker, dashboard):
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    assert all(any(part in reason for reason in reasons) for part in REASONS), reasons
    assert all(said in told["pages"] for said in ("no answer within", "•••", "in-thread"))
    assert "barback_" in told["metrics"]
    assert "no answer within" in told["redis"]
    assert "barback.cli" in told["processes"]
    for log in ("worker.log", "dashboard.log"):
        told[log] = (tmp_path / log).read_text()
        assert "tarted" in told[log]
    for place, text in told.items():
        assert SONG not in text.lower(), (place, [line for line in text.splitlines() if SONG in line.lower()])


def add_jobs(client: Any) -> list[str]:
    """As npm bullmq would: one that each handler fails, and payloads that do not fit. Their ids."""
    wrong: list[dict[str, Any]] = [{"token": [SONG]}, {"token": SONG, "more": 1}]
    jobs = [*((job.name, {"token": SONG}) for job in JOBS), *((JOBS[0].name, payload) for payload in wrong)]
    ids = [f"canary-{number}" for number in range(len(jobs))]
    for one, (name, payload) in zip(ids, jobs, strict=True):
        fields = {"name": name, "data": json.dumps(payload), "opts": "{}", "timestamp": 1, "delay": 0, "priority": 0}
        client.hset(f"bull:{QUEUE}:{one}", mapping=fields)
        client.lpush(f"bull:{QUEUE}:wait", one)
    client.zadd(f"bull:{QUEUE}:marker", {"0": 0})
    return ids


def pages(address: str, ids: list[str]) -> Iterator[str]:
    """Every page, as an admin sees it, and their headers."""
    base = "/dashboard/queues"
    with httpx2.Client(base_url=address, headers={"Sec-Fetch-Site": "same-origin"}) as client:
        for password in (f"{PASSWORD}-wrong", PASSWORD):
            answer = client.post(f"{base}/sign-in", data={"name": "admin", "password": password})
            yield answer.text
        jobs = [f"/job?queue={QUEUE}&id={one}" for one in ids] + [f"/job/again?queue={QUEUE}&id={one}" for one in ids]
        states = [f"/jobs?queue={QUEUE}&state={state}" for state in ("failed", "waiting")]
        for path in ("", "/failures", "/workers", "/schedules", "/audit", "/run", *states, *jobs):
            answer = client.get(f"{base}{path}")
            assert answer.status_code == 200, path
            yield answer.text
            yield str({name: value for name, value in answer.headers.items() if name != "set-cookie"})


def stored(client: Any) -> Iterator[str]:
    """All that is in Redis, but for payloads."""
    for key in client.scan_iter():
        yield key
        kind = client.type(key)
        if kind == "hash":
            yield from (f"{name}={value}" for name, value in client.hgetall(key).items() if name != "data")
        elif kind == "stream":
            yield str(client.xrange(key))
        else:
            read: dict[str, Callable[[str], Any]] = {
                "string": client.get,
                "list": lambda key: client.lrange(key, 0, -1),
                "set": client.smembers,
                "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            }
            yield str(read[kind](key))


def processes() -> Iterator[str]:
    """The command lines of all of this machine."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_text().replace("\0", " ")
        except OSError:
            continue  # it has ended
