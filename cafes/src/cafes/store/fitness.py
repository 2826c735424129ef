"""Whether a database is one that this release can work on: asked at each start, and by the doctor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from pydantic import TypeAdapter

from cafes.errors import StoreError, StoreUnavailable
from cafes.store.connecting import OPTIONS, OWNER, READ_ONLY, answered_in_time, store_errors, unavailable
from cafes.store.history import SHAPE, History, Migration, migrations, one_row, read_history

MIGRATE = "Bring it up to date: run `cafes migrate`."
RENEW = "Restore the database from a backup, or take an empty one: `cafes migrate` makes nothing twice."
RESTORE = (
    "Take an empty database, or bring the schema 'supabase_migrations' here as well from where the tables come from: "
    "`cafes migrate` goes on from it."
)
ANOTHER_SHAPE = (
    f"The table supabase_migrations.schema_migrations has another shape than the Supabase CLI gives it: "
    f"{', '.join(f'{name} {types[0]}' for name, types in SHAPE.items())}."
)
NO_HISTORY = (
    "The database has a table 'cafes' but no record of migrations that made it: something else did, or removed that."
)
UNMADE = "The record says that all migrations are applied, but what they made is not there."

_SCHEMA = """
    select
        current_user,
        to_regclass('public.cafes') is not null,
        to_regprocedure('public.worker_lacks()') is not null,
        coalesce(has_function_privilege(to_regprocedure('public.worker_lacks()')::oid, 'execute'), false)
"""
_LACKS = "select public.worker_lacks()"


@dataclass(frozen=True, slots=True)
class Lacks:
    """What the function `worker_lacks` answers; there what it means."""

    user: str
    read_only: bool
    missing: list[str]
    rights: list[str]
    hidden: list[str]


LACKS = TypeAdapter(Lacks)


@dataclass(frozen=True, slots=True)
class Condition:
    """What a database says of itself. `has_cafes`: the table. `lacks` None: it could not be asked.

    `is_made`: the function is there by which to ask, which the newest migration makes.
    """

    user: str
    history: History
    has_cafes: bool
    is_made: bool
    lacks: Lacks | None


@dataclass(frozen=True, slots=True)
class Unfit:
    """`prevents`: what a worker's start raises for it; None: it starts all the same."""

    check: Literal["database", "migrations"]
    level: Literal["error", "warning"]
    text: str
    advice: str
    prevents: type[StoreUnavailable] | type[StoreError] | None = None


async def examine(url: str) -> list[Unfit]:
    """What is wrong with the database at this address.

    :raises StoreUnavailable: it cannot be reached, or does not answer in time.
    :raises StoreError: it would not say.
    """
    with store_errors(url):
        async with await AsyncConnection.connect(url, autocommit=True, **OPTIONS) as connection:
            condition = await read_condition(connection, url)
    return list(troubles_of(condition, migrations()))


async def read_condition(connection: AsyncConnection[TupleRow], url: str) -> Condition:
    """What it says of the database at `url`.

    :raises StoreUnavailable: it does not answer in time.
    :raises psycopg.Error: it would not say.
    """
    try:
        return await answered_in_time(_read_condition(connection))
    except TimeoutError as error:
        raise unavailable(url, error) from error


async def _read_condition(connection: AsyncConnection[TupleRow]) -> Condition:
    user, has_cafes, is_made, may_ask = await one_row(connection, _SCHEMA)
    history = await read_history(connection)
    lacks = LACKS.validate_python((await one_row(connection, _LACKS))[0]) if may_ask else None
    return Condition(user, history, has_cafes, is_made, lacks)


def refuse_unfit(unfit: Sequence[Unfit]) -> None:
    """:raises StoreUnavailable, StoreError: with the first of these that no worker can start on."""
    for one in unfit:
        if one.prevents:
            raise one.prevents(f"{one.text} {one.advice}")


def troubles_of(condition: Condition, plan: Sequence[Migration]) -> Iterator[Unfit]:
    """First what its user may not, which explains the rest."""
    who = f"'{condition.user}', the user of DATABASE_URL,"
    if condition.lacks:
        yield from troubles_of_lacks(condition.lacks, who, OWNER)
    elif condition.is_made:
        text = f"{who} lacks rights: execute on worker_lacks, by which a worker asks for the others."
        yield Unfit("database", "error", text, OWNER, StoreUnavailable)
    yield from _troubles_of_history(condition, plan)


def troubles_of_lacks(lacks: Lacks, who: str, advice: str) -> Iterator[Unfit]:
    """`who` asked, as a subject with a comma behind; `advice`: what helps it to more rights."""
    if lacks.missing:
        text = f"Of what the migrations made, these are gone: {', '.join(lacks.missing)}."
        yield Unfit("database", "error", text, RENEW, StoreError)
    if lacks.read_only:
        yield Unfit("database", "error", "The database only reads: no job can write.", READ_ONLY, StoreUnavailable)
    if lacks.hidden:
        tables = ", ".join(f"'{name}'" for name in lacks.hidden)
        text = f"Row-level security hides rows of {tables} from {who.rstrip(',')}: jobs find no cafes."
        yield Unfit("database", "error", text, f"{advice} A role with BYPASSRLS will do as well.", StoreUnavailable)
    if lacks.rights:
        text = f"{who} lacks rights: {', '.join(lacks.rights)}."
        yield Unfit("database", "error", text, advice, StoreUnavailable)


def _troubles_of_history(condition: Condition, plan: Sequence[Migration]) -> Iterator[Unfit]:
    history, is_made = condition.history, condition.is_made
    level: Literal["error", "warning"] = "warning" if is_made else "error"
    prevents = None if is_made else StoreError
    if history.has_another_shape:
        yield Unfit("migrations", level, ANOTHER_SHAPE, "Rename it, or take another database.", prevents)
    elif history.applied is None:
        text = f"'{condition.user}', the user of DATABASE_URL, may not read which migrations are applied."
        advice = "Grant it usage on the schema supabase_migrations and select on its table, to have that looked at too."
        yield Unfit("migrations", level, text, advice if is_made else f"The newest is not: {OWNER}", prevents)
    elif history.lacks_all(plan) and condition.has_cafes:
        yield Unfit("migrations", level, NO_HISTORY, RESTORE, prevents)
    else:
        yield from _troubles_of_applied(history, is_made, plan)


def _troubles_of_applied(history: History, is_made: bool, plan: Sequence[Migration]) -> Iterator[Unfit]:
    if missing := history.missing(plan):
        text = (
            f"The database lacks {len(missing)} of {len(plan)} migrations ({missing[0].version} first): jobs will fail."
        )
        yield Unfit("migrations", "error", text, MIGRATE, StoreError)
    elif not is_made:
        yield Unfit("migrations", "error", UNMADE, RENEW, StoreError)
    if newer := history.newer(plan):
        text = f"The database holds migration {newer[0]}, which is newer than this release's."
        advice = "If a newer release made it, deploy that; if it is your app's own, all is well."
        yield Unfit("migrations", "warning", text, advice)
    for migration in history.changed(plan):
        text = f"Migration {migration.version} was changed after it was applied to this database."
        yield Unfit("migrations", "error", text, "Put the file back, and write a new migration for the change.")
