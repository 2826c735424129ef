"""What workers and faces leave for each other: documents that expire, counts in buckets of time, journals."""

import pytest

from barback.board import MOST_BUCKETS, Bucket, Counted
from barback.broker import Broker
from barback.errors import BrokerError

from .under_test import QueueUnderTest

AT = 1_767_225_630.5
"""In the middle of a minute."""
MINUTE = 1_767_225_600
HOUR_S = 3600


async def texts(broker: Broker, journal: str, count: int = 100, before: str | None = None) -> list[str]:
    return [entry.text for entry in await broker.board.entries(journal, count, before)]


# ── documents ───────────────────────────────────────────────────────────────────────────────────────────


async def test_documents_are_found_by_their_kind_and_the_last_one_of_a_name_is_kept(
    broker: Broker, queue_name: str
) -> None:
    kind, other = queue_name, f"{queue_name}-other"
    await broker.board.put_document(kind, "a", "1", ttl_s=60)
    await broker.board.put_document(kind, "b", "ü\n", ttl_s=60)
    await broker.board.put_document(other, "a", "other", ttl_s=60)
    await broker.board.put_document(kind, "a", "2", ttl_s=60)
    assert await broker.board.documents(kind) == {"a": "2", "b": "ü\n"}
    assert await broker.board.documents(f"{queue_name}-none") == {}


async def test_a_document_is_gone_when_it_expired_and_the_others_are_not(queue: QueueUnderTest) -> None:
    board, kind = queue.broker.board, queue.name
    await board.put_document(kind, "long", "x", ttl_s=60)
    await board.put_document(kind, "short", "x", ttl_s=0.05)
    assert len(await board.documents(kind)) == 2

    async def expired() -> bool:
        return await board.documents(kind) == {"long": "x"}

    await queue.eventually(expired)
    await board.put_document(kind, "short", "again", ttl_s=60)
    assert await board.documents(kind) == {"long": "x", "short": "again"}


async def test_a_document_can_be_removed_whether_it_is_there_or_not(broker: Broker, queue_name: str) -> None:
    await broker.board.put_document(queue_name, "a", "1", ttl_s=60)
    await broker.board.remove_document(queue_name, "a")
    await broker.board.remove_document(queue_name, "a")
    assert await broker.board.documents(queue_name) == {}


@pytest.mark.parametrize("ttl_s", [0.0, -1.0, 31 * 86_400.0, float("nan")])
async def test_no_document_is_kept_for_ever(broker: Broker, queue_name: str, ttl_s: float) -> None:
    with pytest.raises(BrokerError, match="ttl_s must be over 0 and at most"):
        await broker.board.put_document(queue_name, "a", "1", ttl_s=ttl_s)


# ── counts ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_counts_add_up_in_their_bucket_and_empty_buckets_are_told_too(broker: Broker, queue_name: str) -> None:
    await broker.board.count(
        [
            Counted(queue_name, 60, AT, {"completed": 2, "wait:7": 1}, keep_s=60),
            Counted(queue_name, 60, AT + 29.4, {"completed": 3}, keep_s=60),
            Counted(queue_name, 60, AT + 120, {"failed": 1}, keep_s=60),
            Counted(queue_name, 3600, AT, {"completed": 5}, keep_s=60),
            Counted(f"{queue_name}-other", 60, AT, {"completed": 9}, keep_s=60),
        ],
        queue_name,
        1,
    )
    assert await broker.board.counts(queue_name, 60, AT, AT + 120) == [
        Bucket(MINUTE, {"completed": 5, "wait:7": 1}),
        Bucket(MINUTE + 60, {}),
        Bucket(MINUTE + 120, {"failed": 1}),
    ]
    assert await broker.board.counts(queue_name, HOUR_S, AT, AT) == [Bucket(MINUTE, {"completed": 5})]


async def test_a_write_that_is_repeated_counts_once(broker: Broker, queue_name: str) -> None:
    """Its answer got lost."""
    once = [Counted(queue_name, 60, AT, {"completed": 1}, keep_s=60)]
    for writer, number in ((f"{queue_name}-a", 1), (f"{queue_name}-a", 1), (f"{queue_name}-b", 1)):
        await broker.board.count(once, writer, number)
    await broker.board.count(once, f"{queue_name}-a", 2)
    await broker.board.count(once, f"{queue_name}-a", 1)
    assert await broker.board.counts(queue_name, 60, AT, AT) == [Bucket(MINUTE, {"completed": 3})]


async def test_counts_are_forgotten_in_time(queue: QueueUnderTest) -> None:
    board = queue.broker.board
    await board.count([Counted(queue.name, 60, AT, {"completed": 1}, keep_s=0.05)], queue.name, 1)

    async def forgotten() -> bool:
        return await board.counts(queue.name, 60, AT, AT) == [Bucket(MINUTE, {})]

    await queue.eventually(forgotten)


async def test_more_buckets_than_anybody_needs_are_refused(broker: Broker, queue_name: str) -> None:
    assert len(await broker.board.counts(queue_name, 60, AT, AT + 60 * (MOST_BUCKETS - 1))) == MOST_BUCKETS
    for ask in (broker.board.counts, broker.board.counts_of_others):
        with pytest.raises(BrokerError, match=f"expected {MOST_BUCKETS} at most"):
            await ask(queue_name, 60, AT, AT + 1e9)


async def test_others_have_counted_nothing_unless_they_are_told_to(broker: Broker, queue_name: str) -> None:
    now = broker.now()
    assert [bucket.counts for bucket in await broker.board.counts_of_others(queue_name, 60, now - 60, now)] == [{}, {}]


# ── journals ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_journal_tells_the_newest_first_page_by_page(broker: Broker, queue_name: str) -> None:
    for number in range(7):
        await broker.board.append(queue_name, str(number), keep=100)
    first = await broker.board.entries(queue_name, 3)
    assert [entry.text for entry in first] == ["6", "5", "4"]
    assert await texts(broker, queue_name, 3, before=first[-1].id) == ["3", "2", "1"]
    assert await texts(broker, queue_name, 0) == []
    assert await texts(broker, f"{queue_name}-none") == []


async def test_an_entry_tells_its_id_and_when_it_was_written(broker: Broker, queue_name: str) -> None:
    entry_id = await broker.board.append(queue_name, "ü", keep=100)
    [entry] = await broker.board.entries(queue_name, 1)
    assert entry.id == entry_id
    assert abs(entry.at - broker.now()) < 5


async def test_a_journal_keeps_the_newest_entries_and_no_more(broker: Broker, queue_name: str) -> None:
    for number in range(40):
        await broker.board.append(queue_name, str(number), keep=15)
    assert await texts(broker, queue_name) == [str(number) for number in range(39, 24, -1)]


@pytest.mark.parametrize("before", ["", "-", "+", "(1-1", "7; FLUSHALL", "1-1\n", "9" * 40 + "-0"])
async def test_what_is_no_id_is_refused(broker: Broker, queue_name: str, before: str) -> None:
    with pytest.raises(BrokerError, match="is no id of a journal's entry"):
        await broker.board.entries(queue_name, 1, before)
