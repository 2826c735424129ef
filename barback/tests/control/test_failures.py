"""Failures that are the same to a person have the same fingerprint."""

import asyncio
import json
import re
import time
from dataclasses import replace
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barback.broker import JobRecord
from barback.bullmq.codec import newest_stacktrace
from barback.control import failures
from barback.control.failures import (
    Fingerprint,
    RecentFailures,
    fingerprint,
    group,
    group_records,
    query_like,
    shape_of,
)
from barback.control.matching import matches
from barback.control.query import Query, parse
from barback.options import JobOptions
from barback.told_attempt import ToldAttempt, with_attempt

from .conftest import Store

PYTHON = """Traceback (most recent call last):
  File "/srv/app/cafes/jobs/process.py", line {line}, in process
    await fetch(url)
  File "/srv/.venv/lib/python3.11/site-packages/httpx/_client.py", line 1, in get
    raise TimeoutError
httpx.ReadTimeout: no answer
"""
NODE = """TypeError: Cannot read properties of undefined (reading 'id')
    at processCafe (/srv/app/dist/jobs/process.js:{line}:13)
    at async Worker.run (/srv/node_modules/bullmq/dist/worker.js:1:2)"""

NUMBERS = st.integers(0, 10**15).map(str)
HEX = st.uuids().map(str) | st.integers(0, 2**64).map(hex)
QUOTED = st.text(st.characters(exclude_characters="\"'`\n", exclude_categories=["Cs", "Cc"]), max_size=20)


def test_numbers_ids_quoted_texts_and_addresses_make_no_difference() -> None:
    one = "no answer from https://a/?y=1 for 'Bär' (3 tries, 0.5s): 0xff, me@x.de, 6f1e0c52-1b7a-4c1e-9a1f-0000000001aa"
    two = "no answer from http://b/ for 'Bar' (12 tries, 17s): 0x01, you@y.org, 00000000-1b7a-4c1e-9a1f-00000000abcd"
    assert shape_of(one) == shape_of(two)
    assert shape_of(one) == "no answer from <url> for <text> (<n> tries, <n>): <n>, <email>, <n>"


def test_the_place_is_the_innermost_line_of_the_app_itself_without_its_number() -> None:
    kinds = {fingerprint("ReadTimeout: no answer", PYTHON.format(line=line)) for line in (7, 99)}
    assert kinds == {Fingerprint("ReadTimeout", "cafes/jobs/process.py in process", "no answer")}


def test_stack_traces_of_node_are_read_too() -> None:
    kinds = {fingerprint("Cannot read properties of undefined (reading 'id')", NODE.format(line=n)) for n in (1, 2)}
    assert kinds == {
        Fingerprint(
            "TypeError", "dist/jobs/process.js in processCafe", "Cannot read properties of undefined (reading <text>)"
        )
    }


def test_who_made_an_attempt_and_when_makes_no_difference() -> None:
    traces = [with_attempt(PYTHON.format(line=7), ToldAttempt(n, f"bar-{n}", n, 1e9 + n)) for n in (1, 2)]
    records = [replace(failed(trace, "ReadTimeout: no answer", 1.0), stacktraces=(trace,)) for trace in traces]
    [found] = group_records(records, 2.0)
    assert found.fingerprint == fingerprint("ReadTimeout: no answer", PYTHON.format(line=7))


def test_other_errors_have_other_fingerprints() -> None:
    trace = PYTHON.format(line=1)
    kinds = [
        fingerprint("ReadTimeout: no answer", trace),
        fingerprint("KeyError: no answer", trace),
        fingerprint("ReadTimeout: no answer"),
        fingerprint("ReadTimeout: refused", trace),
        fingerprint("", ""),
    ]
    assert len(set(kinds)) == len(kinds)


def test_a_reason_without_a_type_has_the_type_of_its_stack_trace() -> None:
    assert fingerprint("no answer", PYTHON.format(line=1)).type == "ReadTimeout"
    assert fingerprint("the city is closed").type == ""
    assert fingerprint("ValueError()").type == "ValueError"


@given(NUMBERS, NUMBERS, HEX, HEX, QUOTED, QUOTED)
def test_a_shape_does_not_change_with_its_numbers_ids_and_quoted_texts(
    n: str, m: str, x: str, y: str, q: str, p: str
) -> None:
    assert shape_of(f"row {n} of {x} in '{q}' failed") == shape_of(f"row {m} of {y} in '{p}' failed")


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_texts_have_a_fingerprint_that_is_short_and_has_no_digits_in_its_shape(reason: str, trace: str) -> None:
    found = fingerprint(reason, trace)
    assert len(found.shape) <= 200
    assert not re.search("[0-9]", found.shape)
    assert found == fingerprint(reason, trace)


@pytest.mark.parametrize(
    "part",
    [
        "a", "漢", "_ ", "a-", "a.", "1a ", "1:", "a1-", "x://a", "x:// ", "0x", "f", "@", "a@", "a@a.", "a+.-",
        "„", "«", "“", "«„“”»", "'\"`", "\ud800", "A.", "File ", "   at (",
    ],
)  # fmt: skip
def test_a_hostile_message_takes_no_longer_than_its_length(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand failures with such a one would keep the dashboard from answering anybody."""
    monkeypatch.setattr(failures, "LONGEST_LOOKED_AT", 1_000_000)

    def takes_s(length: int) -> float:
        text = (part * length)[:length]
        taken: list[float] = []
        for _ in range(5):
            began = time.thread_time()
            fingerprint(text, f"Traceback:\n{text}")
            taken.append(time.thread_time() - began)
        return min(taken)

    assert takes_s(16_000) < 8 * takes_s(4_000)


async def test_while_failures_are_grouped_others_have_their_turn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.put_many({f"j{n}": {"failedReason": f"A: {'漢' * 900} {n}"} for n in range(200)})
    await store.put_many({f"k{n}": {"failedReason": "A: the same"} for n in range(200)})
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(take_turns())
    read: list[int] = []

    def reading(reason: str, stacktrace: str) -> Fingerprint:
        read.append(turns)
        return fingerprint(reason, stacktrace)

    monkeypatch.setattr(failures, "fingerprint", reading)
    found = await group(store.inspector, store.queue)
    others.cancel()
    assert (found.looked, len(read)) == (400, 201)
    assert read[-1] - read[0] >= 4


@pytest.mark.parametrize("character", ["\ud800", "\x1b", "\u202e", "\0"])
def test_a_fingerprint_can_be_shown_and_stand_in_an_address(character: str) -> None:
    found = fingerprint(
        f"{character}A: no {character} 3", f'  File "/a/{character}.py", line 1, in {character}\nA{character}: no'
    )
    told = f"{found.type} {found.place} {found.shape}"
    assert told.isprintable()
    assert told == unquote(quote(told))


def failed(job_id: str, reason: str, at: float, name: str = "any") -> JobRecord:
    return JobRecord("q", job_id, name, "failed", "{}", JobOptions(), 0.0, failed_reason=reason, finished_at=at)


def test_groups_say_how_many_since_when_and_how_they_go() -> None:
    now = 1_700_000_000.0
    records = [
        failed("1", "A: 1", now - 30 * 3600),
        failed("2", "A: 2", now - 3700, "rare"),
        failed("3", "A: 3", now - 10),
        failed("4", "A: 4", now + 5),
        failed("5", "B: 5", now),
    ]
    first, second = group_records(records, now)
    assert (first.count, first.first_at, first.last_at) == (4, now - 30 * 3600, now + 5)
    assert (first.sample_id, first.sample_reason, list(first.names)) == ("4", "A: 4", ["any", "rare"])
    assert list(first.by_hour) == [0] * 22 + [1, 2]
    assert (second.count, second.fingerprint.type) == (1, "B")


async def test_the_newest_failures_of_a_queue_are_grouped(store: Store) -> None:
    trace = json.dumps(["old", PYTHON.format(line=3)])
    await store.put_many({
        f"j{n}": {"failedReason": f"ReadTimeout: {n}", "stacktrace": trace, "finishedOn": 1_700_000_000_000 + n}
        for n in range(30)
    })  # fmt: skip
    found = await group(store.inspector, store.queue, newest=20)
    assert (found.looked, found.total) == (20, 30)
    [only] = found.groups
    assert (only.count, only.sample_id) == (20, "j29")
    assert only.fingerprint == Fingerprint("ReadTimeout", "cafes/jobs/process.py in process", "<n>")


MESSAGES = st.lists(
    st.sampled_from(
        [
            "no answer from",
            "https://a.de/?x=1",
            "'quoted'",
            '"a b"',
            "17",
            "me@x.de",
            "TimeoutError:",
            "Ä\\ü",
            "<n>",
            "a",
        ]
    ),
    max_size=6,
).map(" ".join)


@given(MESSAGES, st.sampled_from(["", "ValueError: ", "TypeError: a "]), st.integers(), st.integers())
def test_a_groups_query_finds_all_of_it(message: str, kind: str, one: int, two: int) -> None:
    records = [failed(str(n), f"{kind}{message} after {n} s", 1.0) for n in (one, two)]
    for found in group_records(records, 2.0):
        query = parse(query_like(found))
        assert isinstance(query, Query)
        of_it = [record for record in records if fingerprint(record.failed_reason or "") == found.fingerprint]
        assert all(matches(query, record, 2.0) for record in of_it)


def test_a_groups_query_is_made_of_the_words_of_its_message() -> None:
    [found] = group_records([failed("1", "ReadTimeout: no answer from https://x.de in 3 s", 1.0)], 2.0)
    assert query_like(found) == 'error:"ReadTimeout" error:"no answer from"'
    [wordless] = group_records([failed("1", "17", 1.0)], 2.0)
    assert query_like(wordless) == ""


async def test_all_who_look_within_some_seconds_share_one_look(store: Store) -> None:
    recent = RecentFailures(lambda: store.inspector)
    await store.put("a", score=1, failedReason="A: no", finishedOn=1)
    assert (await recent.group(store.queue)).looked == 1
    await store.put("b", score=2, failedReason="A: no", finishedOn=2)
    assert (await recent.group(store.queue)).looked == 1
    recent.forget()
    assert (await recent.group(store.queue)).looked == 2


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@given(traces=st.lists(st.text(max_size=40), min_size=1, max_size=4), cut=st.integers(1, 60))
def test_the_newest_stack_trace_is_read_from_the_end_of_the_list(
    separators: tuple[str, str], traces: list[str], cut: int
) -> None:
    text = json.dumps(traces, separators=separators)
    assert newest_stacktrace(text) == traces[-1]
    end = newest_stacktrace(text[-cut:]) if cut < len(text) else traces[-1]
    assert end == "" or end in traces[-1] or traces[-1] in end or "\n" not in traces[-1]


def test_of_a_very_long_stack_trace_the_last_lines_are_read() -> None:
    text = json.dumps(["first", "\n".join(f'line {n} "x"' for n in range(1_000))])
    assert newest_stacktrace(text[-60:]).splitlines() == ['line 997 "x"', 'line 998 "x"', 'line 999 "x"']
