"""P28: whatever Python can write of a payload passes the checks in TypeScript, goes through Redis, and comes back."""

import json
from collections.abc import Callable
from datetime import timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barback import Payload
from barback.bullmq import BullMQBroker
from barback.payload import parse_payload
from barback.payload_limits import PayloadLimits, write_payload

from .conftest import Client
from .torture import (
    Card,
    Cash,
    Colour,
    Comment,
    Date,
    Keyed,
    Level,
    Long,
    Loose,
    Named,
    Nested,
    Page,
    Rough,
    Scalars,
    SendReceipt,
    Short,
    Split,
    Words,
)

EXACT = 2**53 - 1
whole = st.integers(-EXACT, EXACT)
real = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
decimals = st.decimals(allow_nan=False, allow_infinity=False)
# Whole minutes: pydantic writes no others.
zones = st.none() | st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(timezones=zones)
plain = st.recursive(
    st.none() | st.booleans() | whole | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)


def build(kind: Callable[..., Any], **values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    # `st.builds` would look at the names of pydantic's signature, which are those on the wire.
    return st.fixed_dictionaries(values).map(lambda given: kind(**given))


words = build(
    Words,
    word=st.sampled_from(get_args(Words.model_fields["word"].annotation)),
    number=st.sampled_from(get_args(Words.model_fields["number"].annotation)),
)
cash = build(Cash, given=st.decimals(0, 9_999_999, places=2))
card = build(Card, last_digits=st.from_regex(r"[0-9]{4}", fullmatch=True))
payments = st.recursive(
    cash | card, lambda inner: build(Split, parts=st.lists(inner, max_size=3).map(tuple)), max_leaves=4
)
said = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
comments = st.recursive(
    build(Comment, text=said, replies=st.just([])),
    lambda inner: build(Comment, text=said, replies=st.lists(inner, max_size=2)),
    max_leaves=4,
)


def pages(kind: Any, items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return build(Page[kind], items=st.lists(items, max_size=3).map(tuple), next_page=st.none() | text)


def make_loose(known: int, others: dict[str, Any]) -> Loose:
    return Loose.model_validate({"known": known, **{f"other {name}": it for name, it in others.items()}})


scalars = build(
    Scalars,
    flag=st.booleans(),
    whole=whole,
    small=st.integers(1, 33).map(lambda number: 3 * number),
    real=real,
    bounded=st.floats(0, 1),
    text=text,
    bounded_text=st.text(st.characters(exclude_categories=["Cs"]), min_size=2, max_size=5),
    digits=st.text(st.characters(categories=["Nd"]), min_size=1, max_size=4),
    id=st.uuids(),
    day=st.dates(),
    clock=st.times(timezones=zones),
    moment=moments,
    span=st.timedeltas(timedelta(days=-99_999), timedelta(days=99_999)),
    price=decimals,
    colour=st.sampled_from(Colour),
    level=st.sampled_from(Level),
    size=st.sampled_from(["s", "m", "l", "xl", 1, 2, True, None]),
    default=text,
    **{"class": text, "odd-name": text},
)
nested = build(
    Nested,
    payment=payments,
    thread=comments,
    threads=pages(Comment, comments),
    numbers=pages(int, whole).map(lambda page: page.model_dump()),
    maybe=st.none() | comments,
    optional=st.none() | text,
    either=st.none() | whole | text,
    pair=st.tuples(whole, text),
    open_pair=st.lists(text, max_size=3).map(tuple),
    fixed=st.tuples(st.booleans(), st.just("x")),
    by_name=st.dictionaries(text, comments, max_size=2),
    by_colour=st.dictionaries(st.sampled_from(Colour), whole),
    few=st.dictionaries(text, whole, max_size=2),
    unique_ones=st.frozensets(whole, max_size=3),
    on=build(Date, date=st.dates()),
    loose=st.builds(make_loose, whole, st.dictionaries(text, plain, max_size=2)),
    anything=plain,
    matrix=st.lists(st.lists(real, max_size=3), max_size=2),
)
slugs = st.from_regex(r"[a-z]+(-[a-z]+)*", fullmatch=True)
named = build(
    Named,
    mapping=comments,
    default=st.none() | comments,
    const=st.none() | comments,
    enum=st.lists(comments, max_size=2).map(tuple),
    discriminator=text,
    properties=payments,
    by_id=st.dictionaries(st.uuids(), whole, max_size=2),
    by_moment=st.dictionaries(moments, whole, max_size=2),
    by_slug=st.dictionaries(slugs, whole, max_size=2),
    slow=slugs.filter(lambda slug: len(slug) <= 64),
)
rough = build(
    Rough,
    form=build(Short, a=whole) | build(Long, a=whole, b=st.none() | whole),
    padded=st.from_regex(r" {0,2}[a-z]{1,3} {0,2}", fullmatch=True),
    flagged=st.sampled_from(["abc", "ABC", "aBc"]),
    raw=st.text(st.characters(categories=["L"]), max_size=1).map(str.encode),
    few=st.frozensets(whole, max_size=2),
    naive=st.datetimes(),
    aware=st.datetimes(timezones=st.integers(-1_000, 1_000).map(lambda minutes: timezone(timedelta(minutes=minutes)))),
)
receipts = build(
    SendReceipt,
    order_id=st.uuids(),
    lines=st.lists(payments, max_size=2).map(tuple),
    at=st.none() | moments,
    language=text,
)
PAYLOADS = {
    "scalars": scalars,
    "nested": nested,
    "words": words,
    "named": named,
    "rough": rough,
    "sendReceipt": receipts,
    "keyed": build(Keyed, city_id=st.none() | st.uuids(), year=whole, is_open=st.booleans()),
}
QUEUES = {"sendReceipt": "in-typescript"}


@pytest.mark.parametrize("job", PAYLOADS)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_payload_comes_back_as_it_went(
    job: str, data: st.DataObject, client: Client, broker: BullMQBroker
) -> None:
    """P28."""
    payload: Payload = data.draw(PAYLOADS[job])
    text = write_payload(payload, job, PayloadLimits())
    job_id = await client.enqueue(job, json.loads(text), unique=None)
    record = await broker.get(QUEUES.get(job, "torture"), job_id)
    assert record is not None
    back = parse_payload(type(payload), record.data, job)
    assert back == payload
