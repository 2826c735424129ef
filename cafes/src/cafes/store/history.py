"""The migrations of this release, and the record of those that a database has, kept where the Supabase CLI keeps it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

_TEXT = ("text", "character varying")
_TEXTS = ("text[]", "character varying[]")
SHAPE = {"version": _TEXT, "statements": _TEXTS, "name": _TEXT}
"""The columns of the record, and the types of each that will do. Old releases of the CLI had the first one only."""

# Asked of the catalogue, which everybody may read; `to_regclass` wants rights on the schema.
_COLUMNS = """
    select
        coalesce(jsonb_object_agg(a.attname, format_type(a.atttypid, null)), '{}'),
        coalesce(bool_and(has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')), false)
    from pg_catalog.pg_namespace n
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = 'schema_migrations'
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where n.nspname = 'supabase_migrations'
"""
_APPLIED = "select version, statements from supabase_migrations.schema_migrations order by version"
_VERSIONS = "select version, null from supabase_migrations.schema_migrations order by version"


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file. `version`: the digits its name begins with, as the Supabase CLI reads them."""

    version: str
    name: str
    statements: str

    def is_as(self, applied: Sequence[str] | None) -> bool:
        """Whether it says what was `applied`. None: nobody wrote down what that was.

        The Supabase CLI writes statement by statement, without the semicolons between them and blanks at their ends.
        """
        return applied is None or _bare("".join(applied)) == _bare(self.statements)


def _bare(statements: str) -> str:
    return re.sub(r"[\s;]+", "", statements)


def migrations() -> list[Migration]:
    """The migrations of this release, oldest first."""
    found: list[Migration] = []
    for file in (files("cafes") / "migrations").iterdir():
        version, _, name = file.name.removesuffix(".sql").partition("_")
        if file.name.endswith(".sql"):
            # A checkout that writes CRLF must not look like a changed migration.
            found.append(Migration(version, name, file.read_text("utf-8").replace("\r\n", "\n")))
    return sorted(found, key=lambda migration: migration.version)


@dataclass(frozen=True, slots=True)
class History:
    """`columns`: of the record, with their types; none: there is no record.

    `applied`: what it holds, by version: the statements, or None if nobody wrote them down. None: it cannot be read, or
    is no such record.
    """

    columns: Mapping[str, str]
    applied: Mapping[str, Sequence[str] | None] | None

    @property
    def has_another_shape(self) -> bool:
        return bool(self.columns) and not _fits(self.columns)

    def missing(self, plan: Sequence[Migration]) -> list[Migration]:
        """Those of the plan that are not applied, oldest first."""
        return [migration for migration in plan if migration.version not in (self.applied or {})]

    def lacks_all(self, plan: Sequence[Migration]) -> bool:
        return len(self.missing(plan)) == len(plan)

    def changed(self, plan: Sequence[Migration]) -> list[Migration]:
        """Those of the plan that were changed after they were applied."""
        applied = self.applied or {}
        return [each for each in plan if each.version in applied and not each.is_as(applied[each.version])]

    def newer(self, plan: Sequence[Migration]) -> list[str]:
        """Versions above the plan's newest: of a newer release, or of others who keep theirs in the same record."""
        newest = max((migration.version for migration in plan), default="")
        return [version for version in self.applied or {} if version > newest]


async def read_history(connection: AsyncConnection[TupleRow]) -> History:
    """:raises psycopg.Error:"""
    columns, may_read = await one_row(connection, _COLUMNS)
    if not columns:
        return History(columns, {})
    if not may_read or not _fits(columns):
        return History(columns, None)
    rows = await connection.execute(_APPLIED if "statements" in columns else _VERSIONS)
    return History(columns, dict(await rows.fetchall()))


def _fits(columns: Mapping[str, str]) -> bool:
    return "version" in columns and all(columns.get(name, types[0]) in types for name, types in SHAPE.items())


async def one_row(connection: AsyncConnection[TupleRow], query: str) -> tuple[Any, ...]:
    """Of a query that always has one."""
    return await (await connection.execute(query.encode())).fetchone() or ()
