"""Why a request over HTTP got no answer, and what follows from that. Pure.

Three questions decide all. May it be over in a moment (`passes`)? Is it certain that nothing was written (`undone`)? Is
the way to the database at fault (`StoreUnavailable`), or what was asked of it (`StoreError`)?
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import httpx

from cafes.errors import StoreError, StoreUnavailable

URL = "NEXT_PUBLIC_SUPABASE_URL"
KEY = "SUPABASE_SERVICE_ROLE_KEY"
LONGEST_MESSAGE = 300

NOT_MIGRATED = (
    "The database is not migrated: run `cafes migrate`, or `supabase db push`. If that was done just now, the API has "
    "not seen it yet: run `notify pgrst, 'reload schema'` in the SQL editor."
)
WRONG_ADDRESS = f"Check {URL}: expected https://<project>.supabase.co, and a project that is not paused."
WRONG_KEY = (
    f"Check {KEY}: expected the secret key (sb_secret_…) or the service_role key of this very project, neither the "
    "publishable nor the anon key."
)
TOO_SLOW = "Postgres lets this role wait no longer: `alter role service_role set statement_timeout = '30s'` lets it."
SHUT_OUT = f"{WRONG_KEY} If it is: grants or row-level security keep it out, which `cafes migrate` sets right."


@dataclass(frozen=True, slots=True)
class Trouble:
    """`retry_after_s`: how long the server wants to be left alone; None: it did not say."""

    says: str
    raises: type[StoreUnavailable] | type[StoreError] = StoreUnavailable
    passes: bool = False
    undone: bool = False
    retry_after_s: float | None = None


def trouble_of_error(error: httpx.RequestError) -> Trouble:
    """What it means that no answer came."""
    reason = _one_line(str(error)) or type(error).__name__
    if isinstance(error, httpx.PoolTimeout):
        return Trouble("all connections were busy. Fewer jobs at a time, or a higher DATABASE_CONNECTIONS", undone=True)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Trouble(f"{reason}. Check the network and {URL}", passes=True, undone=True)
    if isinstance(error, httpx.TimeoutException):
        # Whether it is slow or gone cannot be told. Asking again would keep a job waiting as long once more.
        return Trouble(f"no answer in time ({type(error).__name__}). Check the network, and the database's load")
    return Trouble(f"{reason}. Check the network", passes=True)


def trouble_of_answer(status: int, headers: Mapping[str, str], said: Mapping[str, object] | None) -> Trouble:
    """What an answer means that is none. `said`: its JSON; None: it has none, so it is not PostgREST's."""
    code = str((said or {}).get("code") or "")
    message = _one_line(str((said or {}).get("message") or ""))
    meaning = next(known for pattern, known in _MEANINGS if re.fullmatch(pattern, f"{status} {code}"))
    told = f"HTTP {status}" + (f" {code}" if code else "") + (f": {message}" if message else "")
    return replace(
        meaning,
        says=f"{told}. {meaning.says}" if meaning.says else told,
        retry_after_s=_seconds(headers.get("retry-after")),
    )


def trouble_of_form(function: str) -> Trouble:
    """What it means that the answer has another form than this function's, or table's."""
    return Trouble(f"an answer to {function} of another form. That is not what Supabase says. {WRONG_ADDRESS}")


_MEANINGS: tuple[tuple[str, Trouble], ...] = (
    # Of the API: it has no connection to ask with, has not read the schema yet, or has no connection free.
    (r".* PGRST00[023]", Trouble("Check the project's load", passes=True, undone=True)),
    (r"429 .*", Trouble("Check the project's limits", passes=True, undone=True)),
    # Of Postgres, whose transaction is rolled back; but where its connection broke, perhaps as that was ending.
    (r".* (08...|57P..|40003)", Trouble("Check that the database runs", passes=True)),
    (r".* 53...", Trouble("Check the database's connections, memory and disk", passes=True, undone=True)),
    (r".* 40...", Trouble("", StoreError, passes=True, undone=True)),
    (r".* 25006", Trouble("It only reads: check the project's disk, and that it is no replica", undone=True)),
    (r".* 42501", Trouble(SHUT_OUT, undone=True)),
    (r".* (42883|42P01|42703|PGRST20[2-5])", Trouble(NOT_MIGRATED, StoreError, undone=True)),
    (r".* 57014", Trouble(TOO_SLOW, StoreError, undone=True)),
    (r"4.. PGRST3..|40[13] .*", Trouble(WRONG_KEY, undone=True)),
    (r".* [0-9A-Z]{5}", Trouble("", StoreError, undone=True)),
    # Of the API again, of a gateway before it, or of something else altogether.
    (r".* PGRST106", Trouble("Let the API show the schema 'public' (Settings, Data API)", undone=True)),
    (r"5.. .*", Trouble(WRONG_ADDRESS, passes=True)),
    (r".* .+", Trouble("", StoreError)),
    (r".*", Trouble(f"That is not what Supabase says. {WRONG_ADDRESS}")),
)
"""By status and code; the first that fits."""


def _one_line(text: str) -> str:
    """Without a full stop: more is said after it."""
    return " ".join(text.split())[:LONGEST_MESSAGE].rstrip(".")


def _seconds(retry_after: str | None) -> float | None:
    # Its other form is a date, which tells no duration without trusting both clocks.
    return float(retry_after) if retry_after and re.fullmatch(r"[0-9]{1,6}", retry_after.strip()) else None
