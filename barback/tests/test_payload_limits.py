"""What may be enqueued: how large, how deep, and what JSON and Node cannot hold."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import Annotated, Any, cast
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WrapSerializer
from structlog.testing import capture_logs
from typing_extensions import TypedDict

from barback.errors import InvalidPayload
from barback.job import Context, job
from barback.memory import MemoryBroker
from barback.payload import Payload, parse_payload, write_value
from barback.payload_limits import LARGEST_EXACT, PayloadLimits, write_payload
from barback.payload_text import is_shallow, may_hold_large, may_hold_nan
from barback.payload_traits import traits_of
from barback.producer import Producer, flow

LIMITS = PayloadLimits()


class Anything(Payload, frozen=True):
    value: Any = None


class Position(Payload, frozen=True):
    lat: float
    lng: float = 0.0


class Foreign(BaseModel):
    """Of another base than Payload: pydantic writes its NaN as null."""

    lat: float
    note: str | None = None


@dataclass
class Plain:
    lat: float


class Typed(TypedDict):
    lat: float


class Visit(Payload, frozen=True):
    at_place: Position | None = None
    foreign: Foreign | None = None
    plain: Plain | None = None
    typed: Typed | None = None
    stars: list[float] = Field(default_factory=list[float])
    by_name: dict[str, float] = Field(default_factory=dict[str, float])
    either: int | float | str | None = None
    exact: tuple[int, float] | None = None


class Open(Payload, frozen=True):
    model_config = ConfigDict(extra="allow")


class Words(Payload, frozen=True):
    text: str


class Tree(Payload, frozen=True):
    children: "tuple[Tree, ...]" = ()


def write(payload: BaseModel, limits: PayloadLimits = LIMITS) -> Any:
    """What is on the wire."""
    return json.loads(write_payload(payload, uuid4().hex, limits))


def refused(payload: BaseModel, limits: PayloadLimits = LIMITS) -> list[str]:
    """What is said of it."""
    with pytest.raises(InvalidPayload) as error:
        write_payload(payload, "a-job", limits)
    return error.value.fields


def warned(payload: BaseModel, job_name: str, limits: PayloadLimits = LIMITS) -> list[dict[str, Any]]:
    with capture_logs() as told:
        write_payload(payload, job_name, limits)
    return [dict(event) for event in told]


def nested(levels: int) -> Any:
    """Lists in each other."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def nested_in(levels: int, before: list[Any], after: list[Any]) -> Any:
    """Lists in each other, with texts that look like the ends of them."""
    value: list[Any] = []
    for _ in range(levels):
        value = [*before, value, *after]
    return value


def levels_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(levels_of, cast("dict[str, Any]", value).values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(levels_of, cast("list[Any]", value)), default=0)
    return 0


def keys_of(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value))
    return list(range(len(cast("list[Any]", value)))) if isinstance(value, list) else []


# Text that looks like what is looked for, more often than chance would have it.
texts = (
    st.text(st.characters(exclude_categories=["Cs"])) | st.text('[]{}"\\NaIy,:-09 ') | st.sampled_from(["NaN", "null"])
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=30)


# ── size ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_payload_as_large_as_the_limit_is_written_and_one_byte_more_is_refused() -> None:
    around = len('{"text":""}')
    limits = PayloadLimits(limit_bytes=1024)
    write(Words(text="x" * (1024 - around)), limits)
    assert refused(Words(text="x" * (1025 - around)), limits) == [
        "it is 2 KB of JSON, and the limit is 1 KB (BARBACK_PAYLOAD_LIMIT_KB). "
        "Store it elsewhere and enqueue its address"
    ]


def test_size_is_that_of_utf_8() -> None:
    limits = PayloadLimits(limit_bytes=1024)
    write(Words(text="x" * 1000), limits)
    assert "it is 4 KB" in refused(Words(text="🚲" * 1000), limits)[0]


def test_the_limits_are_256_kb_and_2_mb_unless_told_otherwise() -> None:
    assert (LIMITS.warn_bytes, LIMITS.limit_bytes, LIMITS.depth) == (2**18, 2**21, 100)
    assert "the limit is 2,048 KB" in refused(Words(text="x" * 2**21))[0]


def test_a_limit_of_0_is_none() -> None:
    none = PayloadLimits(warn_bytes=0, limit_bytes=0)
    assert warned(Words(text="x" * 2**22), uuid4().hex, none) == []


@pytest.mark.parametrize("limits", [PayloadLimits(warn_bytes=0, limit_bytes=99), PayloadLimits(99, 0)], ids=str)
def test_either_limit_holds_without_the_other(limits: PayloadLimits) -> None:
    large = Words(text="x" * 100)
    if limits.limit_bytes:
        refused(large, limits)
    else:
        assert len(warned(large, uuid4().hex, limits)) == 1


def test_a_large_payload_is_warned_of_once_a_minute_a_job_name() -> None:
    name, other = uuid4().hex, uuid4().hex
    large = Words(text="x" * 2**18)
    [told] = warned(large, name)
    assert (told["log_level"], told["job"], told["bytes"]) == ("warning", name, 2**18 + 11)
    assert warned(large, name) == []
    assert len(warned(large, other)) == 1
    assert warned(Words(text="x"), uuid4().hex) == []


# ── depth ───────────────────────────────────────────────────────────────────────────────────────────────


def test_100_levels_are_written_and_the_101st_is_refused_with_its_place() -> None:
    """The payload is the first level."""
    write(Anything(value=nested(99)))
    [line] = refused(Anything(value={"a": {"b c": nested(98)}}))
    assert line.startswith("value.a.b c[0][0]")
    assert line.endswith("[0]: it is nested deeper than 100 levels")
    assert len(line) < 200


@pytest.mark.parametrize("levels", [100, 199, 253, 254, 255, 400, 990, 5_000])
def test_however_deep_it_is_the_reason_is_the_same(levels: int) -> None:
    """pydantic itself gives up at 254 levels, and Python's own JSON at about 1,000."""
    assert refused(Anything(value=nested(levels)))[0].endswith("it is nested deeper than 100 levels")


def test_a_payload_that_holds_itself_is_refused() -> None:
    around: list[Any] = []
    around.append(around)
    assert refused(Anything(value=around))[0].endswith("it is nested deeper than 100 levels")


def test_a_type_that_holds_itself_has_no_end_of_its_own() -> None:
    tree = Tree()
    for _ in range(49):
        tree = Tree(children=(tree,))
    write(tree)
    assert "nested deeper" in refused(Tree(children=(tree,)))[0]


def test_what_is_long_is_not_deep() -> None:
    write(Anything(value=[{"n": [n]} for n in range(1_000)]))
    write(Anything(value="[" * 1_000 + "{" * 1_000))
    write(Anything(value=["]", "[", '"', "\\", '\\"['] * 1_000))


@given(values, st.integers(1, 12))
@example({"": "[" * 20, "a": ['"', "\\", [[]]]}, 3)
@example(["]", ["]", ["]", ["]", "[", "[", "[", "["]]]], 4)
def test_a_payload_is_refused_exactly_if_it_has_more_levels_than_the_limit(value: Any, depth: int) -> None:
    limits = PayloadLimits(depth=depth)
    if levels_of(value) + 1 <= depth:
        assert write(Anything(value=value), limits) == {"value": value}
    else:
        assert refused(Anything(value=value), limits)[0].endswith(f"nested deeper than {depth} levels")


@given(st.recursive(texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)))
@example(nested_in(6, ['"]"'], ['"["']))
@example(nested_in(6, ["\\", "]", "\\"], ["\\", "[", "\\"]))
@example(nested_in(6, ["]"], ["["]))
def test_the_look_at_the_text_never_calls_shallow_what_is_deep(value: Any) -> None:
    text = Anything(value=value).model_dump_json().encode()
    for depth in range(1, levels_of(value) + 1):
        assert not is_shallow(text, depth)
    assert not is_shallow(json.dumps({"value": value}).encode(), levels_of(value))


# ── NaN and infinities ──────────────────────────────────────────────────────────────────────────────────


PLACES: list[tuple[Callable[[float], Payload], str]] = [
    (lambda n: Position(lat=n), "lat"),
    (lambda n: Visit(at_place=Position(lat=1, lng=n)), "atPlace.lng"),
    (lambda n: Visit(foreign=Foreign(lat=n)), "foreign.lat"),
    (lambda n: Visit(plain=Plain(lat=n)), "plain.lat"),
    (lambda n: Visit(typed={"lat": n}), "typed.lat"),
    (lambda n: Visit(stars=[1, n, 2]), "stars[1]"),
    (lambda n: Visit(by_name={"a": n}), "byName.a"),
    (lambda n: Visit(either=n), "either"),
    (lambda n: Visit(exact=(1, n)), "exact[1]"),
    (lambda n: Anything(value=n), "value"),
    (lambda n: Anything(value={"a": [0, {"b": n}]}), "value.a[1].b"),
    (lambda n: Anything(value=Position(lat=n)), "value.lat"),
    (lambda n: Anything(value=[Foreign(lat=n)]), "value[0].lat"),
    (lambda n: Anything(value={"a": Plain(lat=n)}), "value.a.lat"),
    (lambda n: Open.model_validate({"extra": n}), "extra"),
    (lambda n: Position.model_construct(lat=n), "lat"),
    (lambda n: Position(lat=1).model_copy(update={"lat": n}), "lat"),
]


@pytest.mark.parametrize("number", [nan, inf, -inf], ids=str)
@pytest.mark.parametrize(("payload", "place"), PLACES, ids=[place for _, place in PLACES])
def test_no_number_is_refused_wherever_it_stands(
    payload: Callable[[float], Payload], place: str, number: float
) -> None:
    """pydantic would write null, and nobody would know."""
    name = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(number)]
    assert refused(payload(number)) == [f"{place}: {name} cannot be written as JSON"]


def test_every_place_is_named_and_ten_of_very_many() -> None:
    assert refused(Position(lat=nan, lng=inf)) == [
        "lat: NaN cannot be written as JSON",
        "lng: Infinity cannot be written as JSON",
    ]
    assert len(refused(Anything(value=[nan] * 1_000))) == 10


def test_the_words_of_it_are_texts_like_any_other() -> None:
    said = {"NaN": "NaN", "a": "Infinity, -Infinity", "b": ["null", None]}
    assert write(Anything(value=said)) == {"value": said}
    assert write(Words(text="NaN " * 1_000))["text"].startswith("NaN")
    assert write(Visit(foreign=Foreign(lat=1)))["foreign"] == {"lat": 1.0, "note": None}


def test_a_field_may_say_what_stands_for_nan() -> None:
    class Late(Payload, frozen=True):
        lat: Annotated[float, PlainSerializer(lambda it: it if isfinite(it) else -1.0, when_used="json")]

    assert write(Late(lat=nan)) == {"lat": -1}
    assert refused(Wrapped(name="x")) == ["name[0]: NaN cannot be written as JSON"]


@given(st.data(), values, st.sampled_from([nan, inf, -inf]))
def test_a_payload_with_no_number_anywhere_is_refused_with_its_place(
    data: st.DataObject, value: Any, no: float
) -> None:
    place = "value"
    root: dict[str, Any] = {"value": value}
    holder: Any = root
    key: Any = "value"
    while keys := keys_of(holder[key]):
        holder, key = holder[key], data.draw(st.sampled_from(keys))
        place += f".{key}" if isinstance(key, str) else f"[{key}]"
    holder[key] = no
    [line] = refused(Anything(value=root["value"]))
    assert line.startswith(f"{place}: ")
    assert line.endswith(" cannot be written as JSON")


@given(values, st.integers(0, 2_000))
def test_a_payload_within_the_limits_comes_back_as_it_was(value: Any, more: int) -> None:
    payload = Anything(value=[value, "x" * more])
    assert parse_payload(Anything, write_payload(payload, "a-job", LIMITS), "a-job") == payload


@given(st.text("NaIyinft "), st.sampled_from([nan, inf, -inf]), st.integers(0, 2_000))
def test_the_look_at_the_text_never_misses_no_number(text: str, no: float, more: int) -> None:
    assert may_hold_nan(Anything(value=[text, "x" * more, no, text]).model_dump_json().encode())


# ── large numbers ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [2**53, -(2**53), 10**16, 2**63, -(10**40)])
def test_a_number_that_node_rounds_is_written_and_warned_of_with_its_place(number: int) -> None:
    name = uuid4().hex
    [told] = warned(Anything(value={"order": [{"id": number}]}), name)
    assert (told["log_level"], told["job"], told["place"]) == ("warning", name, "value.order[0].id")
    assert told["number"] == str(number)
    assert write(Anything(value=number)) == {"value": number}


@pytest.mark.parametrize("value", [LARGEST_EXACT, -LARGEST_EXACT, True, 1e300, 0.12345678901234567, str(2**60)])
def test_a_number_that_node_reads_as_it_is_is_not_warned_of(value: Any) -> None:
    assert warned(Anything(value=[value, {str(2**60): value}]), uuid4().hex) == []


def test_a_large_number_is_warned_of_once_a_minute_a_job_name_and_place() -> None:
    name = uuid4().hex
    assert len(warned(Anything(value=[2**60] * 100), name)) == 1
    assert warned(Anything(value=[2**60]), name) == []
    assert len(warned(Anything(value={"b": 2**60}), name)) == 1
    assert len(warned(Anything(value=[2**60]), uuid4().hex)) == 1


@given(st.integers(), st.lists(st.integers() | st.floats() | texts))
@example(2**53, [])
def test_the_look_at_the_text_never_misses_a_large_number(number: int, around: list[Any]) -> None:
    large = number + (2**53 if number >= 0 else -(2**53))
    assert may_hold_large(Anything(value=[*around, large, *around]).model_dump_json().encode())
    assert may_hold_large(Anything(value={"a": around, "b": large}).model_dump_json().encode())


# ── types ───────────────────────────────────────────────────────────────────────────────────────────────


class Wrapped(Payload, frozen=True):
    name: Annotated[str, WrapSerializer(lambda it, _: [nan, it])]


class City(Payload, frozen=True):
    slug: str
    names: dict[str, list[str]] = Field(default_factory=dict[str, list[str]])


def test_what_a_type_cannot_hold_is_not_looked_for() -> None:
    city, position = traits_of(City), traits_of(Position)
    assert (city.floats, city.integers, city.silent, city.loose, city.levels) == (False, False, False, False, 3)
    assert (position.floats, position.integers, position.levels) == (True, False, 1)
    assert traits_of(Visit).silent
    assert traits_of(Tree).levels is None
    for loose in (Anything, Open, Wrapped):
        assert traits_of(loose).loose
        assert traits_of(loose).levels is None


# ── all ways to enqueue ─────────────────────────────────────────────────────────────────────────────────


@job("anything", queue="q")
async def anything(payload: Anything, ctx: Context[None]) -> None: ...


WRONG = [
    (Anything(value=nan), "value: NaN cannot be written as JSON"),
    (Anything(value=nested(200)), "nested deeper than 100 levels"),
    (Anything(value="x" * 2_000), "the limit is 1 KB"),
]


@pytest.mark.parametrize(("payload", "reason"), WRONG, ids=lambda it: it if isinstance(it, str) else "")
async def test_every_way_to_enqueue_has_the_limits_of_the_producer(payload: Anything, reason: str) -> None:
    broker = MemoryBroker()
    enqueue = Producer(broker, PayloadLimits(limit_bytes=1024))

    async def stream() -> AsyncIterator[Anything]:
        yield payload

    for adding in (
        lambda: enqueue(anything, payload),
        lambda: enqueue.many(anything, [payload]),
        lambda: enqueue.stream(anything, stream()),
        lambda: enqueue.flow(flow(anything, Anything(), children=[flow(anything, payload)])),
        lambda: enqueue.raw(anything, {"value": payload.value}),
    ):
        with pytest.raises(InvalidPayload, match=reason):
            await adding()
    assert not any((await broker.counts("q")).values())


async def test_a_producer_without_limits_has_the_default_ones() -> None:
    with pytest.raises(InvalidPayload, match="the limit is 2,048 KB"):
        await Producer(MemoryBroker())(anything, Anything(value="x" * 2**21))


async def test_a_flow_gives_the_options_of_each_of_its_jobs() -> None:
    broker = MemoryBroker()
    await Producer(broker).flow(flow(anything, Anything(), children=[flow(anything, Anything(), attempts=7)]))
    [child] = await broker.list_jobs("q", "waiting", 0, 9)
    assert child.options.attempts == 7


@pytest.mark.parametrize("levels", [101, 500, 5_000])
async def test_raw_refuses_what_is_too_deep_however_deep(levels: int) -> None:
    with pytest.raises(InvalidPayload, match="nested deeper than 100 levels"):
        await Producer(MemoryBroker()).raw(anything, {"value": nested(levels)})


async def test_raw_names_the_place_of_no_number() -> None:
    with pytest.raises(InvalidPayload, match=r"it is not a JSON value: value\[1\].lat: NaN cannot be written as JSON"):
        await Producer(MemoryBroker()).raw(anything, {"value": [1, {"lat": nan}]})


# ── results ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("result", [Position(lat=nan), Foreign(lat=nan), {"lat": inf}, [Position(lat=-inf)]], ids=str)
def test_a_result_that_is_no_number_is_null_as_in_javascript(result: Any) -> None:
    """Its effects are done: it is too late to refuse it."""
    written = write_value(result).decode()
    assert "NaN" not in written
    assert "Infinity" not in written
    assert "null" in written


def test_a_result_may_hold_the_words_of_it() -> None:
    assert json.loads(write_value({"a": "NaN", "b": [nan, 2**70]})) == {"a": "NaN", "b": [None, 2**70]}
