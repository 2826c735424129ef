"""Which cafe may be published, which needs a look, and which is another one's duplicate."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from cafes.rules.locating import Coordinates, distance_m
from cafes.rules.reasons import Reason

Status = Literal["PUBLISHED", "NEEDS_REVIEW", "DUPLICATE"]

NEARBY_M = 75.0
"""Two cafes of one name no further apart than this are one cafe."""

_NEARBY_DEGREES = 0.00068
"""A little more than `NEARBY_M` along a meridian: what is further apart needs no trigonometry."""


@dataclass(frozen=True, slots=True)
class Member:
    """A cafe among those of its city that bear its name. `position`: its age, the lowest is the oldest.

    `problems`: what cleaning found, as text.
    """

    id: UUID
    position: int
    address_key: str | None
    coordinates: Coordinates | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is decided of one cafe. `duplicate_of` is None unless it is a DUPLICATE."""

    id: UUID
    status: Status
    reasons: tuple[str, ...] = ()
    duplicate_of: UUID | None = None


def decide_group(members: Iterable[Member]) -> list[Verdict]:
    """Decide all cafes of one name in one city, oldest first, whatever the order in which they are given (C2).

    A cafe is a DUPLICATE of the first older one that is none itself and has the same address or lies within
    `NEARBY_M`. Otherwise its own problems decide.
    """
    kept: list[Member] = []
    verdicts: list[Verdict] = []
    for member in sorted(members, key=lambda member: member.position):
        match = next(((older, reason) for older in kept if (reason := _same_place(member, older))), None)
        if match:
            older, reason = match
            verdicts.append(Verdict(member.id, "DUPLICATE", (str(reason), *member.problems), older.id))
        else:
            kept.append(member)
            verdicts.append(Verdict(member.id, "NEEDS_REVIEW" if member.problems else "PUBLISHED", member.problems))
    return verdicts


def _same_place(one: Member, older: Member) -> Reason | None:
    if one.address_key and one.address_key == older.address_key:
        return Reason("duplicate_same_address", f"cafe {older.id} has the same name and address")
    if one.coordinates and older.coordinates:
        # Latitude alone rules most pairs out: a chain has hundreds of one name in a city.
        if abs(one.coordinates.latitude - older.coordinates.latitude) > _NEARBY_DEGREES:
            return None
        distance = distance_m(one.coordinates, older.coordinates)
        if distance <= NEARBY_M:
            return Reason("duplicate_nearby", f"cafe {older.id} has the same name, {distance:.0f} m away")
    return None
