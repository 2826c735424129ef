"""The store over Supabase's API: each request is one call of a function in the database, and so one transaction."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

import httpx
from pydantic import JsonValue
from supabase import AsyncClient, AsyncClientOptions

from barback.settings import mask_url
from cafes.errors import StoreError, StoreUnavailable
from cafes.rules import CleanedCafe, Verdict
from cafes.settings import SupabaseProject
from cafes.store import CLAIMS_KEPT_S, CityStatistics, ImportRow, RecordAnswer, StoredCafe
from cafes.store.asking import NothingSaid, Unanswered, ask, refuse
from cafes.store.fitness import LACKS, refuse_unfit, troubles_of_lacks
from cafes.store.troubles import KEY, WRONG_KEY, Trouble, trouble_of_form
from cafes.store.wire import (
    COUNT,
    FLAG,
    IDS,
    LOADED_COLUMNS,
    SLUGS,
    STATISTICS,
    answer_from_json,
    cafe_from_json,
    cleaned_to_json,
    row_to_json,
    verdict_to_json,
)

ResultT = TypeVar("ResultT")

CONNECT_TIMEOUT_S = 5.0
KEEP_ALIVE_S = 4.0
"""Some servers close idle connections after 5 s. A request on its way at that moment is lost, and nobody knows how far
it came."""


class SupabaseStore:
    """Up to `connections` requests at once; one that is not answered in full within `answer_timeout_s` is given up.

    There is no transaction over several requests. An effect to be done once is a function of its own: see `call`.
    """

    def __init__(self, project: SupabaseProject, *, connections: int = 10, answer_timeout_s: float = 30.0) -> None:
        self._project = project
        self._answer_timeout_s = answer_timeout_s
        self._free = asyncio.Semaphore(connections)
        self._http = httpx.AsyncClient(
            # The answer is timed here as a whole; httpx would time each of its pieces.
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=connections, keepalive_expiry=KEEP_ALIVE_S),
            event_hooks={"response": [refuse]},
        )

    async def open(self) -> None:
        """Ask once, which shows whether address, key, schema and rights are right.

        :raises StoreUnavailable: it does not answer, refuses the key, only reads, or the key's role lacks rights.
        :raises StoreError: it is not migrated, or was damaged since.
        """
        options = AsyncClientOptions(
            httpx_client=self._http,
            # Nobody signs in here, and asking again is up to `asking.py`.
            auto_refresh_token=False,
            persist_session=False,
            postgrest_client_retry=False,
        )
        self._client = await AsyncClient.create(self._project.url, self._project.key.get_secret_value(), options)
        lacks = await self._rpc("worker_lacks", LACKS.validate_python, repeatable=True)
        refuse_unfit(list(troubles_of_lacks(lacks, f"'{lacks.user}', the role of {KEY},", WRONG_KEY)))

    async def close(self) -> None:
        await self._http.aclose()

    async def load(self, cafe_id: UUID) -> StoredCafe | None:
        columns = ",".join(LOADED_COLUMNS)
        return await self._ask(
            "cafes",
            lambda: self._client.from_("cafes").select(columns).eq("id", str(cafe_id)).execute(),
            cafe_from_json,
            repeatable=True,
        )

    async def record(
        self, cafe: StoredCafe, cleaned: CleanedCafe, verdicts: Sequence[Verdict], seen: str
    ) -> RecordAnswer:
        # Not repeatable: if the first one was written, and only its answer got lost, the second one finds no number
        # changed, and nobody would count the city. The job's next start knows that it does not know (C3).
        return await self._rpc(
            "record_cafe",
            answer_from_json,
            repeatable=False,
            cafe=str(cafe.id),
            input=cafe.input_hash,
            seen=seen,
            cleaned=cleaned_to_json(cleaned),
            verdicts=[verdict_to_json(verdict) for verdict in verdicts],
        )

    async def city_slugs(self) -> list[str]:
        return await self._rpc("city_slugs", SLUGS.validate_python, repeatable=True)

    async def recount(self, slugs: Sequence[str]) -> list[CityStatistics]:
        return await self._rpc("recount_cities", STATISTICS.validate_python, repeatable=True, slugs=list(slugs))

    async def import_rows(self, rows: Sequence[ImportRow]) -> list[UUID]:
        cafes = [row_to_json(row) for row in rows]
        return await self._rpc("import_cafes", IDS.validate_python, repeatable=True, cafes=cafes)

    async def is_empty(self) -> bool:
        return await self._rpc("no_cafes", FLAG.validate_python, repeatable=True)

    async def forget_claims(self, older_than_s: float = CLAIMS_KEPT_S, at_most: int = 10_000) -> int:
        # Not repeatable: how many a lost answer told of would be missing in the sum.
        ages = {"older_than_s": older_than_s, "at_most": at_most}
        return await self._rpc("forget_claims", COUNT.validate_python, repeatable=False, **ages)

    async def call(self, function: str, arguments: Mapping[str, JsonValue]) -> Any:
        return await self._rpc(function, _whatever, repeatable=False, **arguments)

    async def _rpc(
        self, function: str, read: Callable[[Any], ResultT], *, repeatable: bool, **arguments: Any
    ) -> ResultT:
        return await self._ask(
            function, lambda: self._client.rpc(function, arguments).execute(), read, repeatable=repeatable
        )

    async def _ask(
        self, name: str, request: Callable[[], Awaitable[Any]], read: Callable[[Any], ResultT], *, repeatable: bool
    ) -> ResultT:
        """`name`: of the function or table; `read`: makes the result of the answer, or raises as `wire` does."""

        async def within_time() -> Any:
            async with self._one_of_those_at_once():
                try:
                    async with asyncio.timeout(self._answer_timeout_s):
                        return (await request()).data
                except NothingSaid:
                    return _NOTHING
                except TimeoutError:
                    raise httpx.ReadTimeout("") from None

        try:
            answer = await ask(within_time, repeatable=repeatable)
        except Unanswered as error:
            raise self._error(error.trouble, error.tries) from None
        try:
            return read(answer)
        except (ValueError, LookupError, TypeError):
            raise self._error(trouble_of_form(name)) from None

    @asynccontextmanager
    async def _one_of_those_at_once(self) -> AsyncGenerator[None]:
        """Waited for here and not within httpx, so that the time of an answer begins with its request."""
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("") from None
        try:
            yield
        finally:
            self._free.release()

    def _error(self, trouble: Trouble, tries: int = 1) -> StoreUnavailable | StoreError:
        """What a caller is told, without the key."""
        tried = f" ({tries} tries)" if tries > 1 else ""
        says = trouble.says.replace(self._project.key.get_secret_value(), "***")
        if trouble.raises is StoreError:
            return StoreError(f"The database would not do it{tried}: {says}")
        return StoreUnavailable(f"Supabase at {mask_url(self._project.url)} cannot be used{tried}: {says}")


_NOTHING = object()
"""Has the form of no answer. supabase-py would make an empty list of it, which is one."""


def _whatever(answer: Any) -> Any:
    return None if answer is _NOTHING else answer
