"""What `barback dev` finds prepared."""

from pathlib import Path

import pytest

from barback.bullmq import BullMQBroker
from cafes import sample
from cafes.development import prepare
from cafes.settings import QUEUES

from .rows import read


def test_an_empty_database_is_migrated_and_filled_once(
    empty_database: str, valkey: str, prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import asyncio

    monkeypatch.chdir(tmp_path)
    for name, value in {"DATABASE_URL": empty_database, "REDIS_URL": valkey, "BARBACK_PREFIX": prefix}.items():
        monkeypatch.setenv(name, value)
    prepare()
    prepare()
    (stored,) = read(empty_database, "select count(*) as n from cafes")
    assert sample.DEFAULT_ROWS - 10 < stored["n"] <= sample.DEFAULT_ROWS
    assert asyncio.run(_waiting(valkey, prefix)) == stored["n"]


def test_a_supabase_project_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither migrated nor filled with a sample: it may be the one that people use. Here nobody answers at all."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEXT_PUBLIC_SUPABASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_x")
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/x")
    prepare()


async def _waiting(valkey: str, prefix: str) -> int:
    broker = BullMQBroker(valkey, prefix=prefix)
    await broker.open()
    try:
        return (await broker.counts(QUEUES.cafe_processing))["waiting"]
    finally:
        await broker.close()
