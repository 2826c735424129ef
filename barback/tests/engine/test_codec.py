"""What BullMQ stores of a job, and reading it whatever is in it."""

import json
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from math import inf
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from barback.broker import JobRecord
from barback.bullmq.codec import (
    LARGEST,
    LONGEST_S,
    decode_fetched,
    decode_options,
    decode_record,
    encode_options,
    encode_retention,
    encode_stacktraces,
    keep_jobs,
    ms,
)
from barback.bullmq.keys import Keys
from barback.bullmq.packing import pack
from barback.errors import InvalidOptions
from barback.options import (
    HIGHEST_PRIORITY_NUMBER,
    KEEP_COMPLETED,
    KEEP_FAILED,
    Deduplication,
    JobOptions,
    OnFailure,
    Retention,
)
from barback.retry import UNDECLARED, Backoff, Custom, Exponential, Fixed

Through = Callable[[JobOptions], JobOptions]

AS_STORED = "return cjson.encode(cmsgpack.unpack(ARGV[1]))"
"""What BullMQ's scripts do with the options of a new job."""

# ── every JobOptions ────────────────────────────────────────────────────────────────────────────────────

# BullMQ stores numbers with 14 digits (Lua's cjson), times in whole milliseconds, ages in whole seconds.
counts = st.integers(0, LARGEST)
times_s = st.integers(1, ms(LONGEST_S)).map(lambda milliseconds: milliseconds / 1000)
jitters = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
ages_s = st.none() | st.integers(1, LARGEST).map(float)
retentions = st.just(Retention(count=0)) | st.builds(Retention, count=st.none() | counts.filter(bool), age_s=ages_s)
backoffs: st.SearchStrategy[Backoff] = (
    st.builds(Fixed, delay_s=times_s, jitter=jitters)
    | st.builds(Exponential, first_s=times_s, longest_s=times_s | st.just(inf), jitter=jitters)
    | st.just(UNDECLARED)
)
on_failures: st.SearchStrategy[OnFailure | None] = st.sampled_from(
    [None, "fail-parent", "continue-parent", "ignore", "remove"]
)
deduplications = st.builds(
    Deduplication,
    id=texts,
    ttl_s=st.none() | times_s,
    extend=st.booleans(),
    replace=st.booleans(),
    keep_last_if_active=st.booleans(),
)
options_that_can_be_held = st.builds(
    JobOptions,
    priority=st.integers(0, HIGHEST_PRIORITY_NUMBER),
    delay_s=times_s | st.just(0.0),
    attempts=counts.filter(bool),
    backoff=st.none() | backoffs,
    lifo=st.booleans(),
    deduplicate=st.none() | deduplications,
    keep_completed=retentions,
    keep_failed=retentions,
    on_failure=on_failures,
    keep_logs=counts.filter(bool),
    keep_stacktraces=counts,
)
any_time_s = st.floats(0, allow_nan=False, allow_infinity=False, exclude_min=True)
any_count = st.integers(0)
any_retention = st.builds(
    Retention,
    count=st.none() | any_count,
    age_s=st.none() | st.floats(0, exclude_min=True, allow_nan=False, allow_infinity=False),
)
any_options = st.builds(
    JobOptions,
    job_id=st.none() | st.just("cafe 7"),
    delay_s=any_time_s,
    attempts=any_count.filter(bool),
    backoff=st.builds(Fixed, delay_s=any_time_s, jitter=st.floats(0, 1))
    | st.builds(Exponential, first_s=any_time_s, longest_s=any_time_s, jitter=st.floats(0, 1))
    | st.just(Custom(lambda attempt, error: 1.0, jitter=0.5)),
    keep_completed=any_retention,
    keep_failed=any_retention,
    deduplicate=st.builds(Deduplication, id=texts, ttl_s=any_time_s),
)


@pytest.fixture
def through_redis(valkey_url: str) -> Generator[Through]:
    """Options as they come back out of Redis, packed and stored as BullMQ's scripts do."""
    with closing(cast("Any", redis.Redis)(port=urlsplit(valkey_url).port, db=1)) as client:
        yield lambda options: decode_options(client.eval(AS_STORED, 0, pack(encode_options(options))).decode())


@given(options=options_that_can_be_held)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_option_comes_back_from_redis_equal(through_redis: Through, options: JobOptions) -> None:
    """P18. What BullMQ cannot hold: job ids (they name the hash), custom functions, parts of a millisecond (of a
    second in ages), numbers of more than 14 digits, an age beside "keep none".
    """
    assert through_redis(options) == options


@given(options=any_options)
def test_what_cannot_be_held_exactly_is_held_as_the_nearest_that_can(options: JobOptions) -> None:
    """Coming back from the wire once more changes nothing more."""
    held = decode_options(json.dumps(encode_options(options)))
    assert decode_options(json.dumps(encode_options(held))) == held
    assert held.attempts == min(options.attempts, LARGEST)
    assert held.job_id is None
    assert held.delay_s == pytest.approx(min(max(0.001, options.delay_s), LONGEST_S), abs=0.000_501)
    if isinstance(options.backoff, Custom):
        assert held.backoff is UNDECLARED
    else:
        assert type(held.backoff) is type(options.backoff)


@given(options=any_options)
@example(options=JobOptions(attempts=2**64))
def test_a_number_too_large_for_the_wire_is_refused_as_an_option(options: JobOptions) -> None:
    try:
        pack(encode_options(options))
    except InvalidOptions as refused:
        assert "a number is larger than" in str(refused)  # noqa: PT017 — most are not refused


def test_a_lone_surrogate_is_packed_as_json_writes_it() -> None:
    assert pack("caf\udce9") == pack("caf\\udce9")


def test_options_that_have_short_names_are_written_short() -> None:
    """P18: Node reads `de`, `fpof`, `kl` and so on, and writes them."""
    wire = encode_options(JobOptions(deduplicate=Deduplication("k"), on_failure="fail-parent", keep_logs=7))
    assert wire["de"] == {"id": "k"}
    assert wire["fpof"] is True
    assert wire["kl"] == 7
    assert not {"deduplication", "failParentOnFailure", "keepLogs"} & set(wire)


@pytest.mark.parametrize("seconds", [1e-9, 0.0004, 0.001, 0.0014])
def test_any_time_above_zero_is_at_least_a_millisecond(seconds: float) -> None:
    """B7: rounded to 0, a delayed job would not be delayed and a block would never end."""
    assert ms(seconds) == 1
    assert ms(0) == ms(-1) == 0


@pytest.mark.parametrize("seconds", [1e300, 1e306, inf])
def test_a_time_without_end_is_the_longest_that_can_be_held(seconds: float) -> None:
    """P12: `RetryLater(inf)` must not end the worker."""
    assert ms(seconds) == ms(LONGEST_S) == LARGEST


# ── retention ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wire", "kept"),
    [
        (True, Retention(count=0)),
        (False, Retention()),
        (0, Retention(count=0)),
        (25, Retention(count=25)),
        (-1, Retention()),
        ({"count": 5}, Retention(count=5)),
        ({"age": 60}, Retention(age_s=60.0)),
        ({"age": 60, "count": 5}, Retention(count=5, age_s=60.0)),
        ({"age": 60, "count": -1}, Retention(age_s=60.0)),
        ({"age": 60, "limit": 1000}, Retention(age_s=60.0)),
        ({"age": 60, "limit": None}, Retention(age_s=60.0)),
        ({"age": 60, "limit": 5}, Retention(age_s=60.0, remove_at_most=5)),
        ({"age": 60, "limit": -1}, Retention(age_s=60.0, remove_at_most=LARGEST)),
        ({}, Retention()),
    ],
)
def test_every_form_of_retention_that_node_writes_is_read(wire: object, kept: Retention) -> None:
    """P16, P18."""
    options = decode_options(json.dumps({"removeOnComplete": wire, "removeOnFail": wire}))
    assert (options.keep_completed, options.keep_failed) == (kept, kept)


@pytest.mark.parametrize("text", ["{}", '{"removeOnComplete": null, "removeOnFail": null}'])
def test_retention_that_nobody_named_is_bounded_by_default(text: str) -> None:
    """P16: also of jobs that Node added without saying anything."""
    options = decode_options(text)
    assert (options.keep_completed, options.keep_failed) == (KEEP_COMPLETED, KEEP_FAILED)


@pytest.mark.parametrize(
    ("retention", "stored", "asked"),
    [
        (Retention(), False, {"count": -1}),
        (Retention(count=0), True, {"count": 0}),
        (Retention(count=0, age_s=9), True, {"count": 0}),
        (Retention(count=3), {"count": 3}, {"count": 3}),
        (Retention(count=3, remove_at_most=5), {"count": 3}, {"count": 3}),
        (Retention(age_s=60, remove_at_most=5), {"age": 60, "limit": 5}, {"age": 60, "limit": 5}),
        (Retention(age_s=0.2), {"age": 1}, {"age": 1}),
        (Retention(count=2**70, age_s=inf), {"count": LARGEST, "age": LARGEST}, {"count": LARGEST, "age": LARGEST}),
        (Retention(count=3, age_s=60.4), {"count": 3, "age": 60}, {"count": 3, "age": 60}),
    ],
)
def test_retention_is_stored_as_node_does_and_asked_for_as_the_script_does(
    retention: Retention, stored: object, asked: object
) -> None:
    """P16."""
    assert encode_retention(retention) == stored
    assert keep_jobs(retention) == asked


# ── options of any BullMQ ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wire", "read"),
    [
        ({"backoff": 1500}, JobOptions(backoff=Fixed(1.5))),
        ({"backoff": {"type": "fixed", "delay": 1500, "jitter": 0.5}}, JobOptions(backoff=Fixed(1.5, 0.5))),
        ({"backoff": {"type": "exponential", "delay": 1000}}, JobOptions(backoff=Exponential(1.0, inf))),
        ({"backoff": {"type": "moonphase", "delay": 1}}, JobOptions(backoff=UNDECLARED)),
        ({"backoff": {"type": "fixed", "delay": -5, "jitter": 7}}, JobOptions(backoff=Fixed(0.0, 1.0))),
        ({"attempts": 0, "priority": -3, "delay": -1, "kl": 0}, JobOptions(attempts=1)),
        ({"priority": 2**30}, JobOptions(priority=HIGHEST_PRIORITY_NUMBER)),
        ({"stackTraceLimit": 0}, JobOptions(keep_stacktraces=0)),
        ({"de": {"id": 7, "ttl": 0}}, JobOptions(deduplicate=Deduplication("7"))),
        ({"de": {}}, JobOptions()),
        ({"deduplication": {"id": "k", "ttl": 50}}, JobOptions(deduplicate=Deduplication("k", ttl_s=0.05))),
        ({"idof": True}, JobOptions(on_failure="ignore")),
        ({"repeat": {"pattern": "* * * * *"}, "jobId": "5", "timestamp": 1, "tm": {}, "new": []}, JobOptions()),
    ],
)
def test_what_node_may_say_is_read_and_bent_into_range(wire: object, read: JobOptions) -> None:
    """P18."""
    assert decode_options(json.dumps(wire)) == read


# ── hashes ──────────────────────────────────────────────────────────────────────────────────────────────

WHOLE = {
    "name": "process-cafe",
    "data": '{"cafeId": 1}',
    "opts": '{"attempts": 3}',
    "timestamp": "1767225600123",
    "processedOn": "1767225601456",
    "atm": "1",
    "ats": "3",
    "stc": "1",
    "stacktrace": '["first"]',
    "rjk": "daily",
    "defa": "a child failed",
}
KEYS = Keys("bull", "q")
FIELDS = (*WHOLE, "attemptsMade", "progress", "returnvalue", "failedReason", "finishedOn", "deid", "parentKey")

hostile_numbers = st.sampled_from(["NaN", "Infinity", "-1e400", "1" * 5000, "1" * 400, "0x10", "", " 7 ", "٣"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
option_names = st.sampled_from(
    ["priority", "delay", "attempts", "backoff", "lifo", "de", "removeOnComplete", "removeOnFail", "kl", "fpof"]
)
backoff_like = st.fixed_dictionaries(
    {"type": st.sampled_from(["fixed", "exponential", "x"])},
    optional={"delay": json_values, "jitter": json_values, "longest": json_values},
)
bound_like = st.fixed_dictionaries({}, optional={"count": json_values, "age": json_values, "id": json_values})
hostile_options = st.dictionaries(option_names, json_values | backoff_like | bound_like).map(json.dumps)
hostile_texts = st.text() | hostile_numbers | json_values.map(json.dumps) | hostile_options
hostile_hashes = st.dictionaries(st.sampled_from(FIELDS), hostile_texts).map(lambda broken: WHOLE | broken)


def test_a_whole_hash_is_a_whole_job() -> None:
    job = decode_fetched("q", "7", "token", WHOLE)
    assert (job.queue, job.id, job.token, job.name, job.data) == ("q", "7", "token", "process-cafe", '{"cafeId": 1}')
    assert (job.attempt, job.starts, job.crashes) == (2, 3, 1)
    assert (job.added_at, job.started_at) == (1767225600.123, 1767225601.456)
    assert (job.stacktraces, job.schedule_id, job.deferred_failure) == (("first",), "daily", "a child failed")
    assert job.options == JobOptions(attempts=3)
    assert job.unreadable is None


def test_attempts_are_read_by_the_name_that_node_4_gave_them() -> None:
    assert decode_fetched("q", "7", "token", {**WHOLE, "atm": "", "attemptsMade": "4"}).attempt == 5


@pytest.mark.parametrize("missing", ["name", "data", "timestamp", "processedOn"])
def test_a_job_without_what_it_needs_says_what_is_missing(missing: str) -> None:
    """P11."""
    job = decode_fetched("q", "7", "token", {field: WHOLE[field] for field in WHOLE if field != missing})
    assert job.unreadable == f"Job cannot be read: its field '{missing}' is missing"
    assert (job.queue, job.id, job.token) == ("q", "7", "token")


@given(fields=st.dictionaries(st.sampled_from(FIELDS), hostile_texts) | hostile_hashes)
@example(fields={**WHOLE, "opts": "[" * 100_000})
@example(fields={**WHOLE, "opts": '{"attempts": Infinity}'})
@example(fields={**WHOLE, "opts": '{"delay": NaN}'})
@example(fields={**WHOLE, "opts": '{"attempts": 1e30}'})
@example(fields={**WHOLE, "opts": '{"removeOnFail": {"age": Infinity, "count": 1e30}}'})
@example(fields={**WHOLE, "opts": "[]"})
@example(fields={**WHOLE, "stacktrace": "7"})
@example(fields={**WHOLE, "timestamp": "1" * 400})
@example(fields={**WHOLE, "defa": ""})
def test_whatever_a_hash_holds_fetching_and_looking_never_raise(fields: dict[str, str]) -> None:
    """P11."""
    job = decode_fetched("q", "7", "token", fields)
    assert (job.queue, job.id, job.token) == ("q", "7", "token")
    assert job.unreadable is None or len(job.unreadable) < 300
    assert isinstance(decode_record(KEYS, "7", "active", fields), JobRecord)
    # And what was read can be written: settling it must not end the worker.
    pack([encode_options(job.options), keep_jobs(job.options.keep_completed), keep_jobs(job.options.keep_failed)])


def test_a_record_keeps_what_can_be_read_beside_what_cannot() -> None:
    record = decode_record(KEYS, "7", "failed", {**WHOLE, "opts": "{", "atm": "x", "failedReason": "no milk"})
    assert (record.name, record.failed_reason, record.starts) == ("process-cafe", "no milk", 3)
    assert (record.options, record.attempts_made) == (JobOptions(), 0)


# ── stack traces ────────────────────────────────────────────────────────────────────────────────────────

stored_traces = partial(encode_stacktraces, limit=3)


def test_the_newest_stack_traces_are_kept_the_newest_last() -> None:
    assert json.loads(stored_traces(["a", "b", "c"], "d")) == ["b", "c", "d"]
    assert json.loads(stored_traces(["a"], "")) == ["a"]


def test_no_stack_trace_is_kept_if_none_is_wanted() -> None:
    assert encode_stacktraces(["a"], "b", 0) == "[]"


@given(attempts=st.integers(1, 40), limit=st.integers(0, 12))
def test_stack_traces_do_not_grow_with_the_attempts(attempts: int, limit: int) -> None:
    stored = "[]"
    for attempt in range(attempts):
        job = decode_fetched("q", "7", "token", {**WHOLE, "stacktrace": stored})
        stored = encode_stacktraces(job.stacktraces, f"{attempt}", limit)
    assert json.loads(stored) == [str(n) for n in range(attempts)][-limit:] * bool(limit)


def test_a_stack_trace_that_is_no_text_is_read_as_one() -> None:
    job = decode_fetched("q", "7", "token", {**WHOLE, "stacktrace": '[null, 7, "x"]'})
    assert job.stacktraces == ("None", "7", "x")


def test_which_schema_a_client_knew_is_read_and_kept_when_options_are_written_again() -> None:
    """P29."""
    options = decode_options('{"attempts":2,"barback:schema":"3f2a9c1d4b5e"}')
    assert options.schema_hash == "3f2a9c1d4b5e"
    assert encode_options(options)["barback:schema"] == "3f2a9c1d4b5e"
    assert "barback:schema" not in encode_options(decode_options("{}"))
    assert decode_options(json.dumps({"barback:schema": "x" * 999})).schema_hash == "x" * 64
