"""All checks, one after the other: `gathering` asks, each check makes findings of what it is told."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from barback.app import AnyApp
from barback.doctor.connection import check_connection, check_rights
from barback.doctor.facts import Facts
from barback.doctor.failing import check_failures
from barback.doctor.gathering import declared_names, gather_facts
from barback.doctor.leftovers import check_leftovers
from barback.doctor.names import check_names
from barback.doctor.odd_keys import check_odd_keys
from barback.doctor.places import check_places
from barback.doctor.schedules import check_schedules
from barback.doctor.server import check_server
from barback.doctor.stuck import check_stuck
from barback.doctor.telling import short
from barback.doctor.versions import check_versions
from barback.doctor.waiting import check_waiting
from barback.errors import BarbackError, BrokerUnavailable
from barback.examiner import ExaminedBroker
from barback.finding import Check, Finding

OF_REDIS: Sequence[Callable[[Facts], Iterable[Finding]]] = (
    check_server,
    check_waiting,
    check_odd_keys,
    check_names,
    check_places,
    check_versions,
    check_stuck,
    check_schedules,
    check_failures,
    check_leftovers,
)

MOST = 50
"""Findings of one check."""
LONGEST = 1_000
"""Characters of a sentence: it may hold what anybody has written."""


async def examine(broker: ExaminedBroker, app: AnyApp) -> list[Finding]:
    """What is wrong with the server and the queues on it, errors first; empty: all is well."""
    try:
        if found := check_rights(await broker.examiner.refused(list(declared_names(app)))):
            # Nothing else can be asked, or would be the same trouble under another name.
            return found
        facts = await gather_facts(broker, app)
    except BrokerUnavailable as error:
        return check_connection(error)
    return sort_findings(finding for check in OF_REDIS for finding in _few(check(facts)))


def _few(findings: Iterable[Finding]) -> list[Finding]:
    """Of one check, and none longer than can be read."""
    found = sort_findings(
        replace(one, text=short(one.text, LONGEST), advice=short(one.advice, LONGEST)) for one in findings
    )
    if len(found) <= MOST:
        return found
    more = f"There are {len(found) - MOST:,} more of this kind."
    return [*found[:MOST], Finding(found[0].check, found[0].level, more, "Begin with those above.")]


async def run_checks(checks: Iterable[Check]) -> list[Finding]:
    """An app's own, one after the other. One that raises is a finding of its own."""
    findings: list[Finding] = []
    for check in checks:
        name = getattr(check, "__name__", "check").removeprefix("check_")
        try:
            findings += await check()
        except BarbackError as error:
            findings.append(Finding(name, "error", str(error), "See above; run the doctor again once that is mended."))
        except Exception as error:  # noqa: BLE001 — an app's own check may raise anything
            what = f"The app's check '{name}' itself failed: {type(error).__name__}: {error}"
            findings.append(Finding(name, "error", what, "Mend the check: it is a part of the app (`checks=`)."))
    return findings


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first; else in their order."""
    return sorted(findings, key=lambda finding: finding.level != "error")
