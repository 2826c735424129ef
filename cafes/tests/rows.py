"""Cafes for tests: stored, processed, and looked at."""

import itertools
from collections.abc import Iterable
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row

from barback.testing import RecordedContext, make_context
from cafes.jobs.process_cafe import CafeProcessed, ProcessCafe, process_cafe
from cafes.rules import RawCafe
from cafes.services import Services
from cafes.store import ImportRow, Store

_keys = itertools.count()


def cafe(name: str = "Café Blau", address: str = "Domplatz 1, 50667 Köln", city: str = "Köln", **more: str) -> RawCafe:
    return RawCafe(name=name, address=address, city=city, **more)


async def insert(store: Store, *cafes: RawCafe) -> list[UUID]:
    """Store cafes, oldest first; their ids."""
    return await store.import_rows([ImportRow(f"test-{next(_keys)}", each) for each in cafes])


async def process(store: Store, cafe_id: UUID, starts: int = 1) -> tuple[CafeProcessed, RecordedContext[Services]]:
    """Call the handler, as a worker would."""
    ctx = make_context(Services(store=store), starts=starts)
    return await process_cafe(ProcessCafe(cafe_id=cafe_id), ctx), ctx


async def process_all(store: Store, cafe_ids: Iterable[UUID]) -> None:
    for cafe_id in cafe_ids:
        await process(store, cafe_id)


def read(url: str, statement: str, *parameters: object) -> list[DictRow]:
    """What a plain statement reads."""
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode(), parameters).fetchall()


def run(url: str, statement: str, *parameters: object) -> None:
    """Carry out a statement, as another program would."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode(), parameters)


def final_state(url: str) -> dict[int, tuple[object, ...]]:
    """What is decided of each cafe, by its age; slugs and moments, which may differ, left out."""
    found = read(
        url,
        """
        select c.position - (select min(position) from cafes) as age, c.status, t.slug as city, c.clean_name,
            o.position - (select min(position) from cafes) as original
        from cafes c left join cities t on t.id = c.city_id left join cafes o on o.id = c.duplicate_of
        """,
    )
    return {row.pop("age"): tuple(row.values()) for row in found}
