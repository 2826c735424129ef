"""Slots at changes of the clocks are those of a frozen table, which a person has read (P13)."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from .clock_changes import PATTERNS, TABLE, ZONES, Case, cases, slots_of

FIXED = ("30 2 * * *", "0 2 * * *", "30 0 * * *", "0 3 * * *")


def test_all_slots_around_all_changes_of_two_years_are_those_of_the_table() -> None:
    found = list(cases())
    assert {(case.zone, case.pattern) for case in found} == {(zone, pattern) for zone in ZONES for pattern in PATTERNS}
    assert [case.told(slots_of(case)) for case in found] == TABLE.read_text("utf-8").splitlines()


def test_a_fixed_time_comes_once_on_each_day_also_where_clocks_skip_or_repeat_it() -> None:
    """The rule, read off the table: once right after a gap, once in an overlap."""
    for case in cases():
        if case.pattern in FIXED:
            days = [datetime.fromtimestamp(slot, ZoneInfo(case.zone)).date() for slot in slots_of(_wider(case))]
            assert len(days) == len(set(days)), case
            assert (days[-1] - days[0]).days == len(days) - 1, case


def test_wildcard_hours_come_in_every_real_hour() -> None:
    for case in cases():
        if case.pattern == "0 * * * *" and case.zone != "Australia/Lord_Howe":
            slots = slots_of(case)
            assert {later - earlier for earlier, later in pairwise(slots)} == {3600}, case


def _wider(case: Case) -> Case:
    """Days on both sides."""
    return _Wide(case.zone, case.change, case.pattern)


class _Wide(Case):
    @property
    def since(self) -> float:
        return self.change - 3 * 86_400

    @property
    def until(self) -> float:
        return self.change + 3 * 86_400
