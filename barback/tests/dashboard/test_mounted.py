"""In an app that signs people in by itself (`docs/mounted_dashboard.py`): only the "who" is the host's (B1)."""

import importlib.util
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest
from starlette.types import ASGIApp

from barback.bullmq import BullMQBroker
from barback.dashboard.signing_in.bodies import USUAL
from barback.dashboard.signing_in.security_headers import SECURITY_HEADERS

ClientOf = Callable[[ASGIApp], httpx2.AsyncClient]
PATH = "/dashboard/queues"


@pytest.fixture
async def client(
    client_of: ClientOf, valkey_url: str, queue_name: str, broker: BullMQBroker, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx2.AsyncClient]:
    """One of the staff."""
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("STAFF_TOKEN", "olive")
    await broker.pause(queue_name)
    file = Path(__file__).parents[3] / "docs" / "mounted_dashboard.py"
    spec = importlib.util.spec_from_file_location("mounted_dashboard", file)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    async with example.app.router.lifespan_context(example.app):
        client = client_of(example.app)
        client.headers["Authorization"] = "Bearer olive"
        yield client


async def test_the_host_asks_who_it_is_and_shows_all_queues(client: httpx2.AsyncClient, queue_name: str) -> None:
    for path in (PATH, f"{PATH}/"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert queue_name in answer.text
        assert "Sign out" not in answer.text
    del client.headers["Authorization"]
    assert (await client.get(PATH)).status_code == 401
    assert (await client.get("/elsewhere")).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://there"},
    ],
)
async def test_pages_of_other_sites_cannot_act(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str, headers: dict[str, str]
) -> None:
    answer = await client.post(f"{PATH}/queues/resume", data={"queue": queue_name}, headers=headers)
    assert answer.status_code == 403
    assert await broker.is_paused(queue_name)
    answer = await client.post(f"{PATH}/queues/resume", data={"queue": queue_name})
    assert answer.status_code == 303
    assert not await broker.is_paused(queue_name)


async def test_headers_and_limits_hold(client: httpx2.AsyncClient) -> None:
    answer = await client.get(PATH)
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value
    answer = await client.post(f"{PATH}/queues/resume", content=b"x" * (USUAL.most + 1))
    assert answer.status_code == 413
    assert "larger than 1,024 KB" in answer.text
