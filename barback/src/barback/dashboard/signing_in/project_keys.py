"""A Supabase project's public keys (JWKS): fetched when needed, kept for ten minutes, asked for at most every 10 s."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import anyio
import structlog
from anyio import to_thread
from jwt import PyJWK, PyJWKClient, PyJWTError

from barback.dashboard.signing_in.refusals import Refused

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.dashboard")

KEEP_S = 600.0
ASK_EVERY_S = 10.0
"""Whatever strangers send: neither unknown keys nor an outage make us ask more often."""
ANSWER_WITHIN_S = 3.0


class Keys(Protocol):
    """Where public keys come from."""

    async def get(self, key_id: str) -> PyJWK | None:
        """The key of that id; None: there is none.

        :raises Refused: 503, they cannot be fetched.
        """
        ...


class ProjectKeys:
    """Those at one address. PyJWKClient fetches and reads them: it follows no redirect and opens nothing but HTTP."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        # Not its own cache: there all wait for one slow answer, and while it fails each request asks anew.
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=ANSWER_WITHIN_S)
        self._clock = clock
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self._limiter = anyio.CapacityLimiter(1)

    async def get(self, key_id: str) -> PyJWK | None:
        """The key of that id; None: the project has none.

        :raises Refused: 503, they cannot be fetched.
        """
        if key_id in self._keys and self._are_fresh():
            return self._keys[key_id]
        async with self._asking:
            if self._clock() - self._asked_at >= ASK_EVERY_S:
                await self._fetch()
        if not self._are_fresh():
            text = "Supabase's keys cannot be fetched, so nobody can be recognised by their session. Try again soon."
            raise Refused(503, text, retry_after_s=ASK_EVERY_S)
        return self._keys.get(key_id)

    def _are_fresh(self) -> bool:
        return self._clock() - self._fetched_at < KEEP_S

    async def _fetch(self) -> None:
        self._asked_at = self._clock()
        try:
            keys = await to_thread.run_sync(self._client.get_signing_keys, limiter=self._limiter)
        except (PyJWTError, OSError, ValueError) as error:
            log.warning(
                "Supabase's keys cannot be fetched", url=self._client.uri, error=f"{type(error).__name__}: {error}"
            )
            return
        self._keys = {str(key.key_id): key for key in keys}
        self._fetched_at = self._clock()
