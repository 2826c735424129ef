"""What can be done to jobs, as a form says it: to one, to several, and to all that match."""

from collections.abc import Mapping, Sequence
from math import isfinite

from starlette.exceptions import HTTPException

from barback.inspector import ACTS_ON, Action, Cancel, ChangeDelay, ChangePriority, Promote, Remove, Retry
from barback.options import HIGHEST_PRIORITY_NUMBER
from barback.printable import printable

KINDS: Mapping[str, type[Action]] = {
    "retry": Retry,
    "promote": Promote,
    "priority": ChangePriority,
    "delay": ChangeDelay,
    "cancel": Cancel,
    "remove": Remove,
}
DONE: Mapping[str, str] = {
    "retry": "retried",
    "promote": "promoted",
    "priority": "changed",
    "delay": "changed",
    "cancel": "asked to stop",
    "remove": "removed",
}
"""How it is said when it is done."""
PLAIN = ("retry", "promote", "remove")
"""Those that need nothing but a button."""
LONGEST_REASON = 200
UNITS: Mapping[str, int] = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
LONGEST_DELAY_S = 10 * 365 * 86_400.0


def kinds_in(state: str) -> Sequence[str]:
    """What can be done to jobs of a state."""
    return [name for name, kind in KINDS.items() if state in ACTS_ON[kind]]


def plain_kinds_in(state: str) -> Sequence[str]:
    """Those of them that need nothing but a button."""
    return [name for name in kinds_in(state) if name in PLAIN]


def read_action(did: str, form: Mapping[str, str]) -> Action | None:
    """What the form asks for; None: the number that belongs to it is none, or out of range.

    :raises HTTPException: 400, it is none of `KINDS`.
    """
    match did:
        case "priority":
            priority = _whole(form.get("priority", "").strip())
            return None if priority is None else ChangePriority(priority)
        case "delay":
            delay_s = seconds_of(form.get("delay", ""), form.get("unit", "s"))
            return None if delay_s is None else ChangeDelay(delay_s)
        case "cancel":
            reason = printable(form.get("reason", "").strip())[:LONGEST_REASON]
            return Cancel(reason or "cancelled from the dashboard")
        case "retry":
            return Retry()
        case "promote":
            return Promote()
        case "remove":
            return Remove()
        case _:
            raise HTTPException(400)


def seconds_of(number: str, unit: str) -> float | None:
    """A duration that was typed; None: it is none, or over ten years."""
    try:
        value = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        return None
    return value if isfinite(value) and 0 <= value <= LONGEST_DELAY_S else None


def _whole(text: str) -> int | None:
    is_number = text.isascii() and text.isdecimal() and len(text) < 10
    return int(text) if is_number and int(text) <= HIGHEST_PRIORITY_NUMBER else None
