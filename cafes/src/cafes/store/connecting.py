"""What every connection to Postgres shares: how long to wait, and what to say when it fails."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg

from barback.settings import mask_url
from cafes.errors import StoreError, StoreUnavailable

CONNECT_TIMEOUT_S = 5

_REFUSALS = (
    psycopg.errors.QueryCanceled,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
)


def unavailable(url: str, error: Exception) -> StoreUnavailable:
    """The error for a database that cannot be reached, on one line, its password masked."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return StoreUnavailable(
        f"DATABASE_URL: the database at {mask_url(url)} cannot be used: {reason}. "
        "Check that it runs and that the address, user and password are right."
    )


def is_outage(error: psycopg.Error) -> bool:
    """Whether this says that the database is away rather than that it would not do what was asked."""
    # Read-only: after a failover it is the other one that takes writes.
    return isinstance(error, psycopg.errors.ReadOnlySqlTransaction) or (
        isinstance(error, psycopg.OperationalError) and not isinstance(error, _REFUSALS)
    )


@contextmanager
def store_errors(url: str) -> Generator[None]:
    """What psycopg raises in the block, as the store's errors.

    :raises StoreUnavailable: the database is away.
    :raises StoreError: it answered, but would not do it.
    """
    try:
        yield
    except psycopg.Error as error:
        if is_outage(error):
            raise unavailable(url, error) from error
        raise StoreError(f"The database would not do it: {' '.join(str(error).split())}") from error
