"""One Redis for all of these tests, as the compose file starts it."""

from collections.abc import Iterator

import pytest

from .running import Running, started_redis


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running
