"""What every connection to Postgres shares: how long to wait, and what to say when it fails."""

import psycopg

from barback.settings import mask_url
from cafes.errors import StoreUnavailable

CONNECT_TIMEOUT_S = 5


def unavailable(url: str, error: Exception) -> StoreUnavailable:
    """The error for a database that cannot be reached, on one line, its password masked."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return StoreUnavailable(
        f"DATABASE_URL: the database at {mask_url(url)} cannot be used: {reason}. "
        "Check that it runs and that the address, user and password are right."
    )


def is_outage(error: psycopg.Error) -> bool:
    """Whether this says that the database is away rather than that it would not do what was asked."""
    return isinstance(error, psycopg.OperationalError) and not isinstance(
        error, psycopg.errors.QueryCanceled | psycopg.errors.DeadlockDetected | psycopg.errors.LockNotAvailable
    )
