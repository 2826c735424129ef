"""A plain count of what is stored, which trusts none of the statistics."""

from dataclasses import dataclass

import psycopg

from cafes.store.connecting import OPTIONS, unavailable

_COUNT = """
    select
        count(*),
        count(*) filter (where status = 'PUBLISHED'),
        count(*) filter (where status = 'NEEDS_REVIEW'),
        count(*) filter (where status = 'DUPLICATE')
    from public.cafes
"""
_WRONG = """
    select c.slug from public.cities c
    where
        c.cafes_published <> (select count(*) from public.cafes where city_id = c.id and status = 'PUBLISHED')
        or c.cafes_needs_review <> (select count(*) from public.cafes where city_id = c.id and status = 'NEEDS_REVIEW')
        or c.cafes_duplicate <> (select count(*) from public.cafes where city_id = c.id and status = 'DUPLICATE')
    order by c.slug
"""


@dataclass(frozen=True, slots=True)
class Audit:
    """`cafes` are all, those still to be processed included. `wrong_cities`: slugs of those whose statistics differ."""

    cafes: int
    published: int
    needs_review: int
    duplicates: int
    cities: int
    wrong_cities: tuple[str, ...]

    @property
    def processed(self) -> int:
        return self.published + self.needs_review + self.duplicates


def audit(url: str) -> Audit:
    """Count cafe by cafe and compare with the statistics (C2). Reads everything: for tests, demos and drills.

    :raises StoreUnavailable: the database cannot be reached.
    """
    try:
        with psycopg.connect(url, **OPTIONS) as connection:
            # One moment for all three counts.
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            counts = connection.execute(_COUNT).fetchone() or (0, 0, 0, 0)
            cities = connection.execute("select count(*) from public.cities").fetchone() or (0,)
            wrong = connection.execute(_WRONG).fetchall()
    except psycopg.OperationalError as error:
        raise unavailable(url, error) from error
    return Audit(*counts, cities=cities[0], wrong_cities=tuple(row[0] for row in wrong))
