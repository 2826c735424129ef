"""What every connection to Postgres shares: how long to wait, and what to say when it fails."""

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg

from barback.settings import mask_url
from cafes.errors import StoreError, StoreUnavailable

ResultT = TypeVar("ResultT")

CONNECT_TIMEOUT_S = 5
"""A host. For the whole of it: until we are let in."""
ANSWER_TIMEOUT_S = 5.0
"""For the few quick questions of a beginning. A pooler without a free connection lets us in, and then says nothing."""

OPTIONS: dict[str, Any] = {
    # No prepared statements: behind a transaction pooler the next statement may be on another connection.
    "prepare_threshold": None,
    "connect_timeout": CONNECT_TIMEOUT_S,
    # Where packets are lost the system itself gives up after 10 s instead of 15 min (milliseconds; Linux).
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}

OWNER = "Connect as the owner of the tables (Supabase: postgres), who also runs `cafes migrate`."
READ_ONLY = "Check its disk, `default_transaction_read_only`, and that it is no replica."

_REFUSALS = (
    psycopg.errors.QueryCanceled,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
)


class Busy(psycopg.OperationalError):
    """All connections that there may be are in use."""


_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (psycopg.errors.InsufficientPrivilege, OWNER),
    (psycopg.errors.ReadOnlySqlTransaction, READ_ONLY),
    (Busy, "Fewer jobs at a time, or a higher DATABASE_CONNECTIONS."),
    (TimeoutError, "Check that it runs, and if it is a pooler, that it has connections free."),
    (Exception, "Check that it runs and that the address, user and password are right."),
)
"""By what was raised; the first that fits."""


def unavailable(url: str, error: Exception) -> StoreUnavailable:
    """The error for a database that cannot be used, on one line, its password masked, with what to do."""
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    advice = next(advice for kind, advice in _ADVICE if isinstance(error, kind))
    return StoreUnavailable(f"DATABASE_URL: the database at {mask_url(url)} cannot be used: {reason}. {advice}")


def is_outage(error: psycopg.Error) -> bool:
    """Whether this says that the database is away, or shuts us out, rather than that it would not do what was asked.

    What waiting helps against, or what a person mends meanwhile: after a failover it is the other one that takes
    writes, and rights can be granted.
    """
    return isinstance(error, psycopg.errors.ReadOnlySqlTransaction | psycopg.errors.InsufficientPrivilege) or (
        isinstance(error, psycopg.OperationalError) and not isinstance(error, _REFUSALS)
    )


@contextmanager
def store_errors(url: str) -> Generator[None]:
    """What psycopg raises in the block, as the store's errors.

    :raises StoreUnavailable: the database is away, or shuts us out.
    :raises StoreError: it answered, but would not do it.
    """
    try:
        yield
    except psycopg.Error as error:
        if is_outage(error):
            raise unavailable(url, error) from error
        raise StoreError(f"The database would not do it: {' '.join(str(error).split())}") from error


async def answered_in_time(asking: Coroutine[Any, Any, ResultT]) -> ResultT:
    """What these questions to a database result in.

    :raises TimeoutError: not within `ANSWER_TIMEOUT_S`; their connection is closed.
    """
    task = asyncio.create_task(asking)
    try:
        await asyncio.wait([task], timeout=ANSWER_TIMEOUT_S)
    finally:
        # Cancelled once, psycopg asks the server to stop and waits ten seconds for its word; twice, it hangs up.
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
    if task.cancelled():
        raise TimeoutError(f"no answer within {ANSWER_TIMEOUT_S:g} s")
    return task.result()
