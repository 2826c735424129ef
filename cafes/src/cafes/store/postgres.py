"""The store over Postgres, also behind a transaction pooler (Supabase: port 6543)."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString, cast
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb
from pydantic import JsonValue

from cafes.errors import StoreError
from cafes.rules import CleanedCafe, RawCafe, Verdict
from cafes.store import CLAIMS_KEPT_S, CityStatistics, ImportRow, RecordAnswer, StoredCafe
from cafes.store.connecting import store_errors
from cafes.store.connections import Connections
from cafes.store.fitness import examine, refuse_unfit
from cafes.store.wire import (
    LOADED_COLUMNS,
    RAW_COLUMNS,
    answer_from_json,
    cleaned_to_json,
    row_to_json,
    verdict_to_json,
)

Query = LiteralString | sql.Composed

_LOAD = sql.SQL("select {} from public.cafes where id = %s").format(
    sql.SQL(", ").join(map(sql.Identifier, LOADED_COLUMNS))
)


class PostgresStore:
    """Up to `connections` connections, opened as they are needed.

    A statement that takes longer than `statement_timeout_s` is cancelled. The client counts, because a pooler hands
    sessions round and loses what is set on them.
    """

    def __init__(self, url: str, *, connections: int = 10, statement_timeout_s: float = 30.0) -> None:
        self._url = url
        self._statement_timeout_s = statement_timeout_s
        self._connections = Connections(url, connections, statement_timeout_s)

    async def open(self) -> None:
        """Connect, and ask whether a worker can work there.

        :raises StoreUnavailable: the database is down, refuses us, only reads, or our user lacks rights; within
            `CONNECT_TIMEOUT_S` to connect and `ANSWER_TIMEOUT_S` to answer.
        :raises StoreError: it is not migrated, or was damaged since.
        """
        refuse_unfit(await examine(self._url))
        await self._connections.open()

    async def close(self) -> None:
        await self._connections.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection[TupleRow]]:
        """A connection in a transaction, which commits at the end of the block and rolls back if that raises.

        Behind a transaction pooler too, as long as nothing is set for the session. It takes one of the store's
        connections: keep it short. Its statements have no timeout but the job's.

        :raises StoreUnavailable: the database is away; if it happens at the end, whether it committed cannot be known.
        :raises StoreError: a statement failed; nothing was written.
        """
        with store_errors(self._url):
            async with self._connections.one() as connection, connection.transaction():
                yield connection

    async def load(self, cafe_id: UUID) -> StoredCafe | None:
        row = await self._ask(_LOAD, cafe_id)
        if row is None:
            return None
        cafe_id, position, input_hash, *raw = row
        return StoredCafe(cafe_id, position, input_hash, RawCafe(**dict(zip(RAW_COLUMNS, raw, strict=True))))

    async def record(
        self, cafe: StoredCafe, cleaned: CleanedCafe, verdicts: Sequence[Verdict], seen: str
    ) -> RecordAnswer:
        return answer_from_json(
            await self._ask_json(
                "select public.record_cafe(%s, %s, %s, %s, %s)",
                cafe.id,
                cafe.input_hash,
                seen,
                Jsonb(cleaned_to_json(cleaned)),
                Jsonb([verdict_to_json(verdict) for verdict in verdicts]),
            )
        )

    async def city_slugs(self) -> list[str]:
        return cast("list[str]", await self._ask_json("select public.city_slugs()"))

    async def recount(self, slugs: Sequence[str]) -> list[CityStatistics]:
        return [
            CityStatistics(**city) for city in await self._ask_json("select public.recount_cities(%s)", list(slugs))
        ]

    async def import_rows(self, rows: Sequence[ImportRow]) -> list[UUID]:
        return cast(
            "list[UUID]",
            await self._ask_json("select public.import_cafes(%s)", Jsonb([row_to_json(row) for row in rows])),
        )

    async def is_empty(self) -> bool:
        return bool(await self._ask_json("select public.no_cafes()"))

    async def forget_claims(self, older_than_s: float = CLAIMS_KEPT_S, at_most: int = 10_000) -> int:
        return int(await self._ask_json("select public.forget_claims(%s, %s)", older_than_s, at_most))

    async def call(self, function: str, arguments: Mapping[str, JsonValue]) -> Any:
        named = [
            sql.SQL("{} => {}").format(sql.Identifier(name), _argument(value)) for name, value in arguments.items()
        ]
        called = sql.SQL("select to_jsonb(public.{}({}))").format(sql.Identifier(function), sql.SQL(", ").join(named))
        return await self._ask_json(called)

    async def _ask_json(self, statement: Query, *parameters: object) -> Any:
        row = await self._ask(statement, *parameters)
        return row[0] if row else None

    async def _ask(self, statement: Query, *parameters: object) -> TupleRow | None:
        # Not tried again here after an outage: whether it was written is unknown, and with it whether a city's
        # numbers changed. The job's next start knows that it does not know (C3).
        try:
            with store_errors(self._url):
                async with self._connections.one() as connection, asyncio.timeout(self._statement_timeout_s):
                    return await (await connection.execute(statement, parameters)).fetchone()
        except TimeoutError as error:
            raise StoreError(
                f"A statement took longer than {self._statement_timeout_s:g} s and was cancelled."
            ) from error


def _argument(value: JsonValue) -> sql.Literal:
    """As the API reads it: objects and lists are JSON, and text takes the type of its parameter."""
    return sql.Literal(Jsonb(value) if isinstance(value, dict | list) else value)
