"""What a query means, and that the broker's sieve lets through all that match."""

import random
from dataclasses import replace

import pytest

from barback.broker import JobRecord
from barback.control.matching import fold, matches, sieve_of, unescaped
from barback.control.query import Comparison, Field, Query, Term, parse
from barback.options import JobOptions

from .conftest import Store
from .texts import any_text, any_value, write_json

NOW = 1_700_000_000.0 + 7200
JOB = JobRecord(
    "cafes", "42", "process-cafe", "failed",
    '{"cafeId":42,"user":{"email":"A b@x.de","tags":["new","Hot"]},"items":[{"id":1},{"id":2}],"ok":true,"none":null}',
    JobOptions(), added_at=NOW - 3600, attempts_made=3, failed_reason="TimeoutError: no answer",
)  # fmt: skip


def is_found(text: str, job: JobRecord = JOB) -> bool:
    query = parse(text)
    assert isinstance(query, Query), query
    return matches(query, job, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "", "process", "TIMEOUT", '"no answer"', "cafeId", "process timeout", "-absent",
        "name:process-cafe", "name:PROCESS-*", "name:*cafe", "id:42", "error:answer", "error:timeouterror",
        "payload.cafeId:42", "payload.cafeid:42.0", "payload.cafeId:4.2e1", "payload.cafeId:>41", "payload.cafeId:<=42",
        'payload.user.email:"a b@x.de"', "payload.user.email:*@x.de", "payload.user.tags:hot",
        "payload.user.tags.1:hot",
        "payload.items.id:2", "payload.items.0.id:1", "payload.ok:true", "payload.none:null",
        "attempt:3", "attempt:>2", "attempt:<=3", "age:>59m", "age:<1h1s", "-payload.cafeId:7", "-age:>2h",
    ],
)  # fmt: skip
def test_a_job_is_found_by(text: str) -> None:
    assert is_found(text)


@pytest.mark.parametrize(
    "text",
    [
        "absent", "process absent", "-process", "name:process", "name:cafe*", "id:4", "error:cafe",
        "payload.cafeId:4", 'payload.cafeId:"42"', "payload.cafeId:>42", "payload.user:42", "payload.user.email:x.de",
        "payload.items.1.id:1", "payload.ok:1", "payload.items:1", "attempt:>3", "age:>1h1s", "-payload.cafeId:42",
    ],
)  # fmt: skip
def test_a_job_is_not_found_by(text: str) -> None:
    assert not is_found(text)


def test_a_number_is_found_whether_it_was_sent_as_one_or_as_text() -> None:
    assert is_found("payload.id:42", replace(JOB, data='{"id":"42"}'))
    assert is_found("payload.id:12345678901234567890", replace(JOB, data='{"id":12345678901234567890}'))
    assert not is_found("payload.id:12345678901234567890", replace(JOB, data='{"id":12345678901234567891}'))


@pytest.mark.parametrize("data", ["", "no JSON", "[" * 100_000, '{"a":NaN}', "1" * 5000, '{"a":1e999999999999}'])
def test_a_payload_that_cannot_be_read_matches_no_path_and_breaks_nothing(data: str) -> None:
    assert not is_found("payload.a:1", replace(JOB, data=data))
    assert is_found("-payload.a:1", replace(JOB, data=data))


def test_many_stars_take_no_longer_than_one() -> None:
    assert not is_found("name:" + "*a" * 400 + "*b", replace(JOB, name="a" * 100_000))


def test_escapes_are_undone_before_a_word_is_looked_for() -> None:
    assert unescaped(r'"caf\u00e9 \ud83c\udf89 \/ \\ \q \u00zz"') == r'"café 🎉 / \ \q \u00zz"'
    assert is_found("café", replace(JOB, data=r'{"name":"CAF\u00C9"}'))


def test_no_other_character_becomes_an_ascii_letter_or_one_without_case() -> None:
    """What the sieve rests on."""
    every = [chr(code) for code in range(0x1F000) if not 0xD800 <= code < 0xE000]
    folded: dict[str, list[str]] = {}
    for character in every:
        for part in fold(character):
            if part != character:
                folded.setdefault(part, []).append(character)
    for needle in sieve_of(
        Query((Term("any", "".join(c for c in every if c not in "\0 "), quoted=True),)), NOW
    ).needles:
        for character in needle.text:
            assert all(other.isascii() for other in folded.get(character, [])), character


async def test_the_sieve_lets_through_every_job_that_matches_however_its_payload_is_written(store: Store) -> None:
    draw = random.Random(7)
    jobs = {
        f"j{number}": {
            "name": any_text(draw),
            "data": write_json(any_value(draw) if draw.random() < 0.1 else {"a": any_value(draw)}, draw),
            "failedReason": any_text(draw),
            "timestamp": int((NOW - draw.uniform(0, 10)) * 1000),
            "atm": draw.choice(["0", "1", "3", "007", "", "x"]),
            "attemptsMade": draw.choice(["0", "2"]),
        }
        for number in range(120)
    }
    await store.put_many(jobs)
    everything = await store.inspector.scan(store.queue, "failed", 0, 1000)
    assert len(everything.jobs) == len(jobs)
    found = 0
    for _ in range(300):
        query = _any_query(draw)
        passed = await store.inspector.scan(store.queue, "failed", 0, 1000, sieve_of(query, NOW))
        ids = {seen.record.id for seen in passed.jobs}
        for seen in everything.jobs:
            if matches(query, seen.record, NOW):
                found += 1
                assert seen.record.id in ids, (str(query), seen.record)
    assert found > 1_000, found


MEANT: list[Field] = ["any", "name", "error", "payload", "payload", "payload", "attempt", "age"]
COMPARED: list[Comparison] = [">", "<", "=", ">=", "<="]


def _any_query(draw: random.Random) -> Query:
    values = ["42", "-42", "42.0", "4.2e1", "42.5", "100", "1e2", "true", "null", "0", "1", "*"]
    field = draw.choice(MEANT)
    match field:
        case "attempt":
            return Query((Term("attempt", draw.choice(["1", "2", "0"]), (), draw.choice(COMPARED)),))
        case "age":
            return Query((Term("age", draw.choice(["1s", "5s", "9.5s"]), (), draw.choice(COMPARED[:2])),))
        case _:
            path = ("a", any_text(draw, 1))[: draw.randint(1, 2)] if field == "payload" else ()
            value = draw.choice(values) if draw.random() < 0.5 else any_text(draw, 2)
            starred = f"{value}*" if draw.random() < 0.5 else value
            return Query((Term(field, starred, path, "=", quoted=draw.random() < 0.3),))


async def test_few_payloads_cross_the_wire_that_do_not_match(store: Store) -> None:
    await store.put_many({f"j{n}": {"data": f'{{"cafeId":{n},"slug":"3f2e1c"}}'} for n in range(200)})
    query = parse("payload.cafeId:177")
    assert isinstance(query, Query)
    scanned = await store.inspector.scan(store.queue, "failed", 0, 1000, sieve_of(query, NOW))
    assert [seen.record.id for seen in scanned.jobs] == ["j177"]
    assert scanned.looked == 200
    query = parse("payload.cafeId:7")
    assert isinstance(query, Query)
    scanned = await store.inspector.scan(store.queue, "failed", 0, 1000, sieve_of(query, NOW))
    assert [seen.record.id for seen in scanned.jobs] == ["j7"]
