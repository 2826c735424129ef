"""Many things happen, a tab is told once; nobody reads for nobody; nothing is kept for who does not listen (B5)."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

import pytest

from barback.dashboard.live import Away, Changed, Live, News
from barback.dashboard.routes.events import EventStream, as_event
from barback.errors import BrokerUnavailable

EVERY_S = 0.02


class Events:
    """The event streams of queues, in a dictionary."""

    def __init__(self, *queues: str) -> None:
        self.last = dict.fromkeys(queues, 0)
        self.looks = 0
        self.fails: Exception | None = None

    async def queues(self) -> Sequence[str]:
        return list(self.last)

    async def last_events(self, queues: Sequence[str]) -> Mapping[str, str]:
        self.looks += 1
        if self.fails:
            raise self.fails
        return {queue: f"{self.last[queue]}-0" for queue in queues if self.last[queue]}


@pytest.fixture
def events() -> Events:
    return Events("mail", "cafes")


@pytest.fixture
def live(events: Events) -> Live:
    return Live(events, events.queues, every_s=EVERY_S)


Stream = AsyncGenerator[News | None]


async def next_of(stream: Stream) -> News | None:
    async with asyncio.timeout(5):
        return await anext(stream)


async def settled(stream: Stream) -> News:
    """The first news: all that was before."""
    news = await next_of(stream)
    assert news
    return news


async def test_the_first_look_counts_as_a_change_of_everything(live: Live) -> None:
    async with contextlib.aclosing(live.stream()) as stream:
        news = await next_of(stream)
        assert isinstance(news, Changed)
        assert set(news.queues) == {"mail", "cafes"}


async def test_a_thousand_events_between_two_looks_are_one_message(live: Live, events: Events) -> None:
    async with contextlib.aclosing(live.stream(quiet_s=10 * EVERY_S)) as stream:
        await settled(stream)
        events.last["mail"] += 1_000
        news = await next_of(stream)
        assert isinstance(news, Changed)
        assert news.queues == ["mail"]
        assert await next_of(stream) is None, "nothing more happened"


async def test_events_that_never_end_are_a_message_a_look(live: Live, events: Events) -> None:
    async with contextlib.aclosing(live.stream()) as stream:
        await settled(stream)
        before = events.looks
        for _ in range(5):
            events.last["mail"] += 200
            assert await next_of(stream)
        assert events.looks - before >= 5


async def test_ten_streams_share_one_reader(live: Live, events: Events) -> None:
    streams = [live.stream() for _ in range(10)]
    await asyncio.gather(*map(settled, streams))
    before = events.looks
    events.last["cafes"] += 1
    told = await asyncio.gather(*map(next_of, streams))
    assert all(news == told[0] for news in told)
    assert events.looks - before <= 2
    assert live.streams == 10
    for stream in streams:
        await stream.aclose()


async def test_the_reader_ends_with_the_last_stream_and_starts_anew(live: Live, events: Events) -> None:
    first, second = live.stream(), live.stream()
    seen = await settled(first)
    await settled(second)
    await first.aclose()
    assert live.is_reading
    await second.aclose()
    assert not live.is_reading
    looks = events.looks
    await asyncio.sleep(3 * EVERY_S)
    assert events.looks == looks
    events.last["cafes"] += 1
    async with contextlib.aclosing(live.stream(since=seen.at)) as third:
        news = await next_of(third)
        assert isinstance(news, Changed)
        assert news.queues == ["cafes"], "what happened while nobody looked"


async def test_a_stream_that_was_slow_is_told_once_what_it_missed(live: Live, events: Events) -> None:
    async with contextlib.aclosing(live.stream()) as slow, contextlib.aclosing(live.stream()) as quick:
        await settled(slow)
        await settled(quick)
        for queue in ("mail", "cafes", "mail"):
            events.last[queue] += 1
            await next_of(quick)
        news = await next_of(slow)
        assert isinstance(news, Changed)
        assert set(news.queues) == {"mail", "cafes"}
        events.last["mail"] += 1
        assert await next_of(slow) == await next_of(quick)


async def test_a_stream_that_was_cut_goes_on_where_it_was(live: Live, events: Events) -> None:
    async with contextlib.aclosing(live.stream()) as other:
        cut = await settled(other)
        events.last["cafes"] += 1
        await next_of(other)
        async with contextlib.aclosing(live.stream(since=cut.at)) as again:
            news = await next_of(again)
            assert isinstance(news, Changed)
            assert news.queues == ["cafes"]


async def test_a_stream_of_one_queue_hears_of_no_other(live: Live, events: Events) -> None:
    async with contextlib.aclosing(live.stream(only=["mail"], quiet_s=5 * EVERY_S)) as stream:
        await settled(stream)
        events.last["cafes"] += 1
        assert await next_of(stream) is None
        events.last["mail"] += 1
        assert isinstance(await next_of(stream), Changed)


@pytest.mark.parametrize("error", [BrokerUnavailable("away"), RuntimeError("a fault of ours")])
async def test_while_redis_is_away_it_says_so_once_and_once_it_is_back_everything_changed(
    live: Live, events: Events, error: Exception
) -> None:
    async with contextlib.aclosing(live.stream(quiet_s=5 * EVERY_S)) as stream:
        await settled(stream)
        events.fails = error
        assert isinstance(await next_of(stream), Away)
        assert await next_of(stream) is None
        events.fails = None
        news = await next_of(stream)
        assert isinstance(news, Changed)
        assert set(news.queues) == {"mail", "cafes"}


async def test_a_stream_that_begins_while_redis_is_away_is_told_so(live: Live, events: Events) -> None:
    events.fails = BrokerUnavailable("away")
    async with contextlib.aclosing(live.stream()) as first, contextlib.aclosing(live.stream()) as second:
        assert isinstance(await next_of(first), Away)
        assert isinstance(await next_of(second), Away)


async def test_it_comes_back_also_where_no_queue_is_shown() -> None:
    events = Events()
    live = Live(events, events.queues, every_s=EVERY_S)
    events.fails = BrokerUnavailable("away")
    async with contextlib.aclosing(live.stream()) as stream:
        assert isinstance(await next_of(stream), Away)
        events.fails = None
        assert isinstance(await next_of(stream), Changed)


async def test_closing_ends_every_stream(live: Live) -> None:
    stream = live.stream()
    await settled(stream)
    live.close()
    with pytest.raises(StopAsyncIteration):
        await next_of(stream)
    assert not live.is_reading


# ── over the wire ───────────────────────────────────────────────────────────────────────────────────────


class Tab:
    """What a server does for a tab: `read` lets its next message through."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.reads = asyncio.Semaphore(0)
        self.left = asyncio.Event()

    async def receive(self) -> dict[str, str]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, object]) -> None:
        await self.reads.acquire()
        self.got.append(bytes(message.get("body", b"")))  # pyright: ignore[reportArgumentType]


async def test_no_proxy_may_compress_it_which_would_hold_news_back(live: Live) -> None:
    """B5, B7. Next.js does unless it is told so."""
    stream = live.stream()
    assert EventStream(stream).headers["cache-control"] == "no-store, no-transform"
    await stream.aclose()


async def serve(live: Live, tab: Tab) -> None:
    await EventStream(live.stream())({"type": "http"}, tab.receive, tab.send)  # pyright: ignore[reportArgumentType]


async def wait_until(probe: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not probe():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("reads", [0, 2, 100], ids=["reads-nothing", "reads-a-little", "reads"])
async def test_a_tab_that_leaves_ends_its_stream_at_once_whether_it_was_reading_or_not(live: Live, reads: int) -> None:
    tab = Tab()
    for _ in range(reads):
        tab.reads.release()
    serving = asyncio.create_task(serve(live, tab))
    await wait_until(lambda: len(tab.got) >= min(reads, 3))
    tab.left.set()
    await asyncio.wait_for(serving, 5)
    assert live.streams == 0
    assert not live.is_reading


async def test_a_tab_that_does_not_read_has_one_message_waiting_and_no_more(live: Live, events: Events) -> None:
    tab = Tab()
    for _ in range(3):  # the headers, that it is connected, the first change
        tab.reads.release()
    serving = asyncio.create_task(serve(live, tab))
    await wait_until(lambda: len(tab.got) == 3)
    looks = events.looks
    for _ in range(10):
        events.last["mail"] += 1
        await wait_until(lambda seen=events.looks: events.looks > seen + 1)
    assert events.looks > looks + 10
    tab.reads.release()
    tab.reads.release()
    tab.reads.release()
    await wait_until(lambda: len(tab.got) >= 5)
    await asyncio.sleep(3 * EVERY_S)
    assert len(tab.got) == 5, "what it was on its way with, and the sum of all that it missed"
    tab.left.set()
    await serving


def test_a_message_names_the_queues_and_where_to_go_on() -> None:
    assert as_event(Changed(["a\nb"], 12.5)) == b'event: changed\nid: 12.500\ndata: ["a\\nb"]\n\n'
    assert as_event(Away(12.5)) == b"event: away\nid: 12.500\ndata: []\n\n"
    assert as_event(None) == b": quiet\n\n"
