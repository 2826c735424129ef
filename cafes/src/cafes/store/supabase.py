"""The store over Supabase's API: each request is one call of a function in the database, and so one transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

import httpx
from pydantic import JsonValue
from supabase import AsyncClient, AsyncClientOptions

from barback.settings import mask_url
from cafes.errors import StoreError, StoreUnavailable
from cafes.rules import CleanedCafe, RawCafe, Verdict
from cafes.settings import SupabaseProject
from cafes.store import CLAIMS_KEPT_S, CityStatistics, ImportRow, RecordAnswer, StoredCafe
from cafes.store.asking import Unanswered, ask, refuse
from cafes.store.wire import (
    LOADED_COLUMNS,
    RAW_COLUMNS,
    answer_from_json,
    cleaned_to_json,
    row_to_json,
    verdict_to_json,
)

CONNECT_TIMEOUT_S = 5.0
KEEP_ALIVE_S = 4.0
"""Some servers close idle connections after 5 s. A request on its way at that moment is lost, and nobody knows how far
it came."""


class SupabaseStore:
    """Up to `connections` requests at once; one that gets no answer for `answer_timeout_s` is given up.

    There is no transaction over several requests. An effect to be done once is a function of its own: see `call`.
    """

    def __init__(self, project: SupabaseProject, *, connections: int = 10, answer_timeout_s: float = 30.0) -> None:
        self._project = project
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(answer_timeout_s, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=connections, keepalive_expiry=KEEP_ALIVE_S),
            event_hooks={"response": [refuse]},
        )

    async def open(self) -> None:
        """Ask once, which shows whether address, key and schema are right.

        :raises StoreUnavailable: it does not answer, or refuses the key.
        :raises StoreError: it is not migrated.
        """
        options = AsyncClientOptions(
            httpx_client=self._http,
            # Nobody signs in here, and asking again is up to `asking.py`.
            auto_refresh_token=False,
            persist_session=False,
            postgrest_client_retry=False,
        )
        self._client = await AsyncClient.create(self._project.url, self._project.key.get_secret_value(), options)
        await self.is_empty()

    async def close(self) -> None:
        await self._http.aclose()

    async def load(self, cafe_id: UUID) -> StoredCafe | None:
        columns = ",".join(LOADED_COLUMNS)
        rows = await self._ask(
            lambda: self._client.from_("cafes").select(columns).eq("id", str(cafe_id)).execute(), repeatable=True
        )
        if not rows:
            return None
        (row,) = rows
        raw = RawCafe(**{name: row[name] for name in RAW_COLUMNS})
        return StoredCafe(UUID(row["id"]), int(row["position"]), row["input_hash"], raw)

    async def record(
        self, cafe: StoredCafe, cleaned: CleanedCafe, verdicts: Sequence[Verdict], seen: str
    ) -> RecordAnswer:
        # Not repeatable: if the first one was written, and only its answer got lost, the second one finds no number
        # changed, and nobody would count the city. The job's next start knows that it does not know (C3).
        return answer_from_json(
            await self._rpc(
                "record_cafe",
                repeatable=False,
                cafe=str(cafe.id),
                input=cafe.input_hash,
                seen=seen,
                cleaned=cleaned_to_json(cleaned),
                verdicts=[verdict_to_json(verdict) for verdict in verdicts],
            )
        )

    async def city_slugs(self) -> list[str]:
        return cast("list[str]", await self._rpc("city_slugs", repeatable=True))

    async def recount(self, slugs: Sequence[str]) -> list[CityStatistics]:
        counted = await self._rpc("recount_cities", repeatable=True, slugs=list(slugs))
        return [CityStatistics(**city) for city in counted]

    async def import_rows(self, rows: Sequence[ImportRow]) -> list[UUID]:
        ids = await self._rpc("import_cafes", repeatable=True, cafes=[row_to_json(row) for row in rows])
        return [UUID(each) for each in ids]

    async def is_empty(self) -> bool:
        return bool(await self._rpc("no_cafes", repeatable=True))

    async def forget_claims(self, older_than_s: float = CLAIMS_KEPT_S, at_most: int = 10_000) -> int:
        # Not repeatable: how many a lost answer told of would be missing in the sum.
        return int(await self._rpc("forget_claims", repeatable=False, older_than_s=older_than_s, at_most=at_most))

    async def call(self, function: str, arguments: Mapping[str, JsonValue]) -> Any:
        return await self._rpc(function, repeatable=False, **arguments)

    async def _rpc(self, function: str, *, repeatable: bool, **arguments: Any) -> Any:
        return await self._ask(lambda: self._client.rpc(function, arguments).execute(), repeatable=repeatable)

    async def _ask(self, request: Any, *, repeatable: bool) -> Any:
        try:
            return (await ask(request, repeatable=repeatable)).data
        except Unanswered as error:
            trouble = error.trouble
            tries = f" ({error.tries} tries)" if error.tries > 1 else ""
        says = trouble.says.replace(self._project.key.get_secret_value(), "***")
        if trouble.raises is StoreError:
            raise StoreError(f"The database would not do it{tries}: {says}")
        raise StoreUnavailable(f"Supabase at {mask_url(self._project.url)} cannot be used{tries}: {says}")
