"""The generated client of the torture app, over either BullMQ, and a Node process that uses it."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
import redis.asyncio

from barback.bullmq import BullMQBroker
from barback.contract.package import package

from ..conftest import DB
from ..process import HERE, Node
from .torture import app

Version = Literal[5, 6]
PACKAGES = HERE / "node_modules"


@dataclass(frozen=True, slots=True)
class Client:
    """The client over one BullMQ, with keys of its own in Redis."""

    node: Node
    version: Version
    prefix: str
    port: int | None = None
    """None: that of the tests' server."""

    async def call(self, call: str, /, **args: Any) -> Any:
        return await self.node.call(self.version, self.prefix, call, port=self.port, **args)

    async def enqueue(self, job: str, payload: Any, **options: Any) -> str:
        return await self.call("enqueue", job=job, payload=payload, options=options)


def install_beside(folder: Path, version: Version) -> Path:
    """Give a package that lies in a folder the packages that its users would have."""
    packages = folder / "node_modules"
    packages.mkdir(parents=True)
    (packages / "bullmq").symlink_to(PACKAGES / ("bullmq" if version == 6 else "bullmq5"))
    for name in ("zod", "@types", "ioredis"):
        (packages / name).symlink_to(PACKAGES / name)
    return folder


def write(folder: Path, texts: Mapping[str, str]) -> Path:
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.fixture(scope="session")
def clients(node: Node, tmp_path_factory: pytest.TempPathFactory) -> dict[Version, Path]:
    """The folders of the torture app's client, by BullMQ's version."""
    # The driver's own sight of the BullMQ that the client loads.
    texts = {**package(app), "bullmq.js": 'export * from "bullmq";\n'}
    versions: tuple[Version, ...] = (6, 5)
    return {
        version: install_beside(write(tmp_path_factory.mktemp(f"client{version}"), texts), version)
        for version in versions
    }


@pytest.fixture(scope="session")
def typescript(clients: dict[Version, Path], valkey_url: str) -> Iterator[Node]:
    """One Node process that uses both."""
    connection = {"host": "127.0.0.1", "port": urlsplit(valkey_url).port, "db": DB}
    folders = json.dumps({version: str(folder) for version, folder in clients.items()})
    process = Node(connection, Path(__file__).parent / "driver.mjs", folders)
    yield process
    process.close()


@pytest.fixture
async def broker(valkey_url: str, queue_name: str) -> AsyncIterator[BullMQBroker]:
    """Python's side, of the keys that the client has."""
    opened = BullMQBroker(valkey_url, db=DB, prefix=queue_name)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def server(valkey_url: str) -> AsyncIterator[Any]:
    """Redis itself."""
    opened: Any = redis.asyncio.Redis.from_url(f"{valkey_url}/{DB}", decode_responses=True)  # pyright: ignore[reportUnknownMemberType]
    yield opened
    await opened.aclose()


@pytest.fixture
async def client(typescript: Node, version: Version, queue_name: str) -> AsyncIterator[Client]:
    """The client over the test's version of BullMQ; its keys are removed with those of the test's queue."""
    made = Client(typescript, version, queue_name)
    yield made
    await made.call("close")
