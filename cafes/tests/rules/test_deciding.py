"""Which cafe of a name is the original, and which are its duplicates (C2, C5)."""

import random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from cafes.rules import Member, decide_group
from cafes.rules.locating import Coordinates

HERE = Coordinates(51.34, 12.37)
STEP = 0.0003
"""Degrees of latitude: 33 metres."""


def member(
    position: int, address: str | None = None, at: Coordinates | None = None, problems: tuple[str, ...] = ()
) -> Member:
    return Member(UUID(int=position), position, address, at, problems)


def statuses(*members: Member) -> list[str]:
    return [verdict.status for verdict in decide_group(members)]


members = st.lists(
    st.tuples(
        st.sampled_from([None, "a", "b"]),
        st.none() | st.integers(0, 8).map(lambda steps: Coordinates(51.34 + steps * STEP, 12.37)),
        st.sampled_from([(), ("address_missing: no address is given",)]),
    ),
    max_size=7,
).map(lambda drawn: [member(position, *each) for position, each in enumerate(drawn)])


def test_a_cafe_alone_is_published() -> None:
    assert statuses(member(1, "a")) == ["PUBLISHED"]


def test_a_cafe_with_a_problem_needs_review_and_says_why() -> None:
    """C5."""
    (verdict,) = decide_group([member(1, problems=("website_scheme: …",))])
    assert (verdict.status, verdict.reasons) == ("NEEDS_REVIEW", ("website_scheme: …",))


def test_the_younger_of_two_at_one_address_is_the_duplicate() -> None:
    first, second = decide_group([member(2, "a"), member(1, "a")])
    assert (first.id, first.status) == (UUID(int=1), "PUBLISHED")
    assert (second.id, second.status, second.duplicate_of) == (UUID(int=2), "DUPLICATE", UUID(int=1))
    assert second.reasons[0].startswith("duplicate_same_address: ")


def test_within_75_metres_is_a_duplicate_and_further_is_not() -> None:
    near, far = Coordinates(51.34 + 0.000673, 12.37), Coordinates(51.34 + 0.000676, 12.37)
    assert statuses(member(1, "a", HERE), member(2, "b", near)) == ["PUBLISHED", "DUPLICATE"]
    assert statuses(member(1, "a", HERE), member(2, "b", far)) == ["PUBLISHED", "PUBLISHED"]


def test_near_means_near_in_longitude_as_well() -> None:
    assert statuses(member(1, None, HERE), member(2, None, Coordinates(51.34, 12.38))) == ["PUBLISHED", "PUBLISHED"]
    assert statuses(member(1, None, HERE), member(2, None, Coordinates(51.34, 12.3709))) == ["PUBLISHED", "DUPLICATE"]


def test_two_cafes_without_address_and_place_are_no_duplicates() -> None:
    assert statuses(member(1), member(2)) == ["PUBLISHED", "PUBLISHED"]


def test_a_duplicate_makes_no_duplicates() -> None:
    steps = [Coordinates(51.34 + steps * 2 * STEP, 12.37) for steps in range(3)]
    assert statuses(*(member(i, None, at) for i, at in enumerate(steps))) == ["PUBLISHED", "DUPLICATE", "PUBLISHED"]


def test_a_duplicate_keeps_its_own_problems_as_reasons() -> None:
    verdict = decide_group([member(1, "a"), member(2, "a", problems=("website_scheme: …",))])[1]
    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["duplicate_same_address", "website_scheme"]


@given(members, st.randoms(use_true_random=False))
def test_the_order_in_which_cafes_are_given_decides_nothing(group: list[Member], rng: random.Random) -> None:
    """C2."""
    shuffled = rng.sample(group, len(group))
    assert decide_group(shuffled) == decide_group(group)


@given(members)
def test_every_duplicate_points_at_an_older_cafe_that_is_none(group: list[Member]) -> None:
    verdicts = {verdict.id: verdict for verdict in decide_group(group)}
    assert len(verdicts) == len(group)
    for verdict in verdicts.values():
        assert (verdict.status == "DUPLICATE") == (verdict.duplicate_of is not None)
        assert bool(verdict.reasons) == (verdict.status != "PUBLISHED")
        if verdict.duplicate_of is not None:
            assert verdict.duplicate_of.int < verdict.id.int
            assert verdicts[verdict.duplicate_of].status != "DUPLICATE"


@given(members.filter(lambda group: len(group) > 1), st.data())
def test_what_a_cafe_does_not_see_of_its_group_changes_nothing(group: list[Member], data: st.DataObject) -> None:
    """C2. The store gives a cafe only those neighbours that are no duplicate or younger; that must be enough."""
    index = data.draw(st.integers(0, len(group) - 1))
    before = {verdict.id: verdict for verdict in decide_group(group[:index] + group[index + 1 :])}
    seen = [m for m in group if m is group[index] or before[m.id].status != "DUPLICATE" or m.position > index]
    whole = {verdict.id: verdict for verdict in decide_group(group)}
    assert {verdict.id: verdict for verdict in decide_group(seen)} == {m.id: whole[m.id] for m in seen}
    unseen = [m.id for m in group if m not in seen]
    assert all(before[unseen_id] == whole[unseen_id] for unseen_id in unseen)
