"""What keeps `barback work` from starting: one line that says what to do, and exit code 2, within 5 s."""

import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from drills.servers import Valkey, black_hole

Call = Callable[..., Any]
Serve = Callable[..., Valkey]

WITHIN_S = 5.0


@pytest.fixture
def serve(tmp_path: Path) -> Generator[Serve]:
    """Start a Valkey with these options; it ends with the test."""
    started: list[Valkey] = []

    def start(*options: str) -> Valkey:
        folder = tmp_path / "valkey"
        folder.mkdir()
        started.append(Valkey(folder, *options))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def refusal(call: Call) -> Callable[..., str]:
    """The line with which `barback work` ends."""

    def start(*options: str, environment: Mapping[str, str]) -> str:
        began = time.monotonic()
        result = call("work", *options, environment=environment)
        assert time.monotonic() - began < WITHIN_S
        assert result.code == 2
        told = [line for line in result.err.splitlines() if not line.startswith("{")]
        assert len(told) == 1, result.err
        assert told[0].startswith("barback: ")
        return told[0]

    return start


Refusal = Callable[..., str]


# ── Redis ───────────────────────────────────────────────────────────────────────────────────────────────


def test_no_server_where_it_should_be(refusal: Refusal) -> None:
    assert "Is it running, and is REDIS_URL right?" in refusal(environment={"REDIS_URL": "redis://127.0.0.1:1"})


def test_a_server_that_never_answers(refusal: Refusal) -> None:
    with black_hole() as port:
        assert "cannot be reached" in refusal(environment={"REDIS_URL": f"redis://127.0.0.1:{port}"})


def test_a_wrong_password(refusal: Refusal, serve: Serve) -> None:
    server = serve("--requirepass", "s3cret")
    told = refusal(environment={"REDIS_URL": f"redis://:wr0ng@127.0.0.1:{server.port}"})
    assert "refused the password or user. Check REDIS_URL" in told
    assert "wr0ng" not in told


def test_a_database_that_is_not_there(refusal: Refusal, valkey_url: str) -> None:
    assert "has no database 16. Set REDIS_DB" in refusal(environment={"REDIS_URL": valkey_url, "REDIS_DB": "16"})


def test_a_server_that_drops_jobs(refusal: Refusal, serve: Serve) -> None:
    """B23."""
    told = refusal(environment={"REDIS_URL": serve("--maxmemory-policy", "volatile-lru").url})
    assert "its maxmemory-policy is 'volatile-lru'" in told


def test_a_server_that_drops_jobs_may_still_be_given_some(call: Call, serve: Serve) -> None:
    """Who enqueues is warned, and goes on."""
    environment = {"REDIS_URL": serve("--maxmemory-policy", "volatile-lru").url}
    assert call("enqueue", "greet", '{"name": "Ada"}', environment=environment).code == 0


# ── declarations ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (
            '@job("greet", queue=QUEUE)\nasync def again(payload: Greet, ctx: Context[None]) -> None: ...',
            "Two jobs are named 'greet': ",
        ),
        (
            '@job("x", queue=QUEUE)\nasync def x(payload: Greet, ctx: Context[None], retries: int = 3) -> None: ...',
            "Job 'x': its handler must take (payload, ctx), not 3 parameters. Nothing would ever fill 'retries'.",
        ),
        (
            '@job("x", queue=QUEUE)\nasync def x(*given: object) -> None: ...',
            "Job 'x': its handler must take (payload, ctx), not 1 parameters.",
        ),
        (
            '@job("x", queue=QUEUE)\nasync def x(payload: Greet, *, ctx: Context[None]) -> None: ...',
            "Job 'x': its handler is called as handler(payload, ctx), which cannot fill 'ctx",
        ),
        (
            'import functools\nx = job("x", queue=QUEUE)(functools.partial(greet.handler))',
            "Job 'x': expected a function (def or async def) as its handler, got functools.partial(",
        ),
        (
            "class X:\n    async def __call__(self, payload: Greet, ctx: Context[None]) -> None: ...\n"
            'x = job("x", queue=QUEUE)(X())',
            "Job 'x': expected a function (def or async def) as its handler, got <shop.jobs.greet.X object",
        ),
    ],
)
def test_a_job_that_is_declared_wrongly(
    refusal: Refusal, project: Path, environment: Mapping[str, str], declared: str, told: str
) -> None:
    jobs = project / "src" / "shop" / "jobs" / "greet.py"
    jobs.write_text(f"{jobs.read_text()}\n{declared}\n")
    assert told in refusal(environment=environment)
