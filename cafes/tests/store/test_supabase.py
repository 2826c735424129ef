"""The store over Supabase's API when it goes wrong: lost answers, refusals, and what is said of them."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from barback import RetryLater
from cafes.errors import StoreError, StoreUnavailable
from cafes.jobs.update_cafe_stats import UpdateCafeStats
from cafes.rules import Verdict, clean
from cafes.settings import SupabaseProject
from cafes.store import ImportRow, StoredCafe
from cafes.store.supabase import KEEP_ALIVE_S, SupabaseStore

from ..backends import opened
from ..between import LOST, Between, says
from ..databases import new_database
from ..rows import cafe, insert, process, read
from ..silent import Silent
from ..supabase_side import PUBLISHABLE_KEY, SECRET_KEY, SupabaseSide


@pytest.fixture
def database(supabase: SupabaseSide, supabase_template: str) -> Iterator[str]:
    with new_database(supabase.postgres_url, supabase_template) as url:
        yield url


@pytest.fixture
async def between(supabase: SupabaseSide, database: str) -> AsyncGenerator[Between]:
    async with Between(supabase.project_of(database).url) as one:
        yield one


@pytest.fixture
async def store(between: Between) -> AsyncGenerator[SupabaseStore]:
    async with opened(SupabaseStore(project(between.url))) as one:
        yield one


FIT = says(200, '{"user": "service_role", "read_only": false, "missing": [], "rights": [], "hidden": []}')
"""What `worker_lacks` answers if it is nothing."""


def project(url: str, key: str = SECRET_KEY) -> SupabaseProject:
    return SupabaseProject(url, SecretStr(key))


async def message(
    project: SupabaseProject, kind: type[Exception] = StoreUnavailable, answer_timeout_s: float = 30.0
) -> str:
    """What opening a store on it says."""
    with pytest.raises(kind) as raised:
        async with opened(SupabaseStore(project, answer_timeout_s=answer_timeout_s)):
            pass
    return str(raised.value)


# ── answers that get lost ───────────────────────────────────────────────────────────────────────────


async def test_a_record_whose_answer_is_lost_is_not_asked_for_again_and_its_city_is_counted(
    store: SupabaseStore, between: Between, database: str
) -> None:
    """C3. It is written. A second one would find nothing changed, and so nobody to tell."""
    (cafe_id,) = await insert(store, cafe())
    between.answer = lambda name: LOST if name == "record_cafe" else None
    with pytest.raises(RetryLater):
        await process(store, cafe_id)
    assert between.asked.count("record_cafe") == 1
    assert read(database, "select status from cafes") == [{"status": "PUBLISHED"}]

    between.answer = lambda name: None
    _, ctx = await process(store, cafe_id, starts=2)
    assert [call.payload for call in ctx.enqueued] == [UpdateCafeStats(city_slug=None)]


async def test_an_import_whose_answer_is_lost_is_asked_for_again_and_stores_nothing_twice(
    store: SupabaseStore, between: Between, database: str
) -> None:
    """C1."""
    answers = [LOST, None]
    between.answer = lambda name: answers.pop(0) if name == "import_cafes" else None
    ids = await store.import_rows([ImportRow(str(number), cafe(f"Café {number}")) for number in range(20)])
    assert between.asked.count("import_cafes") == 2
    assert [row["id"] for row in read(database, "select id from cafes order by position")] == ids


async def test_a_call_of_ones_own_whose_answer_is_lost_is_not_made_again(
    store: SupabaseStore, between: Between
) -> None:
    """P3. A claim would be told to be taken, by nobody but itself."""
    between.answer = lambda name: LOST
    with pytest.raises(StoreUnavailable):
        await store.call("once", {"key": "a"})
    assert between.asked.count("once") == 1


@pytest.mark.parametrize(
    "answer",
    [
        says(503, '{"code": "PGRST002", "message": "Could not query the database for the schema cache. Retrying."}'),
        says(429, '{"message": "Too many requests"}', retry_after="0"),
        says(429, "slow down", content_type="text/plain"),
    ],
)
async def test_what_was_refused_before_it_began_is_asked_again_whatever_it_is(
    store: SupabaseStore, between: Between, answer: bytes
) -> None:
    (loaded,) = [await store.load(cafe_id) for cafe_id in await insert(store, cafe())]
    assert loaded is not None
    answers = [answer, answer, None]
    between.answer = lambda name: answers.pop(0)
    await store.record(loaded, clean(loaded.raw), [Verdict(loaded.id, "PUBLISHED")], "")
    assert between.asked.count("record_cafe") == 3


async def test_a_gateway_that_fails_for_a_moment_is_not_noticed(store: SupabaseStore, between: Between) -> None:
    answers = [says(502, "<html>", content_type="text/html"), says(520), None]
    between.answer = lambda name: answers.pop(0)
    assert await store.is_empty()


async def test_a_gateway_that_keeps_failing_is_an_outage(store: SupabaseStore, between: Between) -> None:
    """P7."""
    between.answer = lambda name: says(502, "<html>", content_type="text/html")
    with pytest.raises(StoreUnavailable, match=r"cannot be used \(4 tries\): HTTP 502"):
        await store.load(UUID(int=0))


# ── what is said ────────────────────────────────────────────────────────────────────────────────────


async def test_a_key_of_another_project_is_named_and_not_shown(supabase: SupabaseSide, database: str) -> None:
    said = await message(supabase.project_of(database, "sb_secret_of_somebody_else"))
    assert "Check SUPABASE_SERVICE_ROLE_KEY" in said
    assert "somebody_else" not in said


async def test_the_public_key_will_not_do_and_is_told_from_the_secret_one(
    supabase: SupabaseSide, database: str
) -> None:
    """It passes the gateway, and is stopped by the grants of the functions."""
    said = await message(supabase.project_of(database, PUBLISHABLE_KEY))
    assert "42501" in said
    assert "neither the publishable nor the anon key" in said
    assert PUBLISHABLE_KEY not in said


@pytest.mark.parametrize("key", [SECRET_KEY, "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2ln"])
async def test_both_kinds_of_key_are_passed_on_as_they_are(key: str) -> None:
    """New keys are no JWTs: Supabase takes one as a bearer token only if it is the very `apikey`."""
    async with (
        Between(answer=lambda name: FIT) as between,
        opened(SupabaseStore(project(between.url, key))),
    ):
        pass
    (head,) = between.headers
    lines = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n"))}
    assert lines["apikey"] == key
    assert lines["authorization"] == f"Bearer {key}"


async def test_a_key_that_the_server_repeats_is_not_shown() -> None:
    answer = says(401, f'{{"message": "No such key: {SECRET_KEY}"}}')
    async with Between(answer=lambda name: answer) as between:
        said = await message(project(between.url))
    assert "No such key: ***" in said
    assert SECRET_KEY not in said


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (
            says(200, "<html>Welcome</html>", content_type="text/html"),
            "That is not what Supabase says. Check NEXT_PUBLIC",
        ),
        (says(404, "not found", content_type="text/plain"), "That is not what Supabase says. Check NEXT_PUBLIC"),
        (says(301, location="https://elsewhere.example/"), "HTTP 301. That is not what Supabase says"),
        (says(540, "paused", content_type="text/plain"), "a project that is not paused"),
    ],
)
async def test_an_address_where_something_else_answers_is_named(answer: bytes, named: str) -> None:
    async with Between(answer=lambda name: answer) as between:
        assert named in await message(project(between.url))


async def test_a_schema_that_the_api_does_not_know_is_told_to_be_migrated() -> None:
    answer = says(404, '{"code": "PGRST202", "message": "Could not find the function public.no_cafes"}')
    async with Between(answer=lambda name: answer) as between:
        said = await message(project(between.url), StoreError)
    assert "Could not find the function public.no_cafes" in said
    assert "run `cafes migrate`, or `supabase db push`" in said


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid"])
async def test_an_address_where_nobody_is_is_named_within_seconds(url: str) -> None:
    started = time.monotonic()
    said = await message(project(url))
    assert f"Supabase at {url} cannot be used (4 tries)" in said
    assert "Check the network and NEXT_PUBLIC_SUPABASE_URL" in said
    assert time.monotonic() - started < 10


async def test_a_server_that_never_answers_is_given_up_and_not_asked_again() -> None:
    async with Silent() as silent:
        said = await message(project(f"http://127.0.0.1:{silent.port}"), answer_timeout_s=0.3)
    assert "no answer in time (ReadTimeout)" in said
    assert "tries" not in said


async def test_an_answer_that_drips_is_given_up_as_a_whole() -> None:
    """However often a byte of it comes."""
    over, ended = asyncio.Event(), asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
        while not over.is_set():
            writer.write(b" ")
            await asyncio.sleep(0.02)
        writer.transport.abort()
        await asyncio.sleep(0)  # Only then it is closed.
        ended.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        said = await asyncio.wait_for(message(project(url), answer_timeout_s=0.3), 20)
        over.set()
        await ended.wait()
    assert "no answer in time" in said


async def test_what_is_told_of_too_many_at_once_is_not_told_of_the_network() -> None:
    async with (
        Between(answer=lambda name: FIT) as between,
        opened(SupabaseStore(project(between.url), connections=1)) as store,
    ):
        store._answer_timeout_s = 0.1
        async with store._one_of_those_at_once():
            with pytest.raises(StoreUnavailable, match=r"all connections were busy.*DATABASE_CONNECTIONS"):
                await store.is_empty()
    assert "no_cafes" not in between.asked


FORMS = {
    "no JSON": says(200, "<html>"),
    "no gzip": says(200, "no gzip", content_encoding="gzip"),
    "nothing": says(204),
    "an object": says(200, "{}"),
    "null": says(200, "null"),
    "a list of others": says(200, '[{"x": 1}]'),
}


@pytest.mark.parametrize("form", FORMS)
async def test_an_answer_of_another_form_is_no_answer(form: str) -> None:
    """Else a cafe that is there would be none, and its job would fail for good."""
    loaded = StoredCafe(UUID(int=1), 1, "", cafe())
    async with Between(answer=lambda name: FIT) as between, opened(SupabaseStore(project(between.url))) as store:
        between.answer = lambda name: FORMS[form]
        for asking in (
            lambda: store.load(UUID(int=1)),
            lambda: store.record(loaded, clean(loaded.raw), [], ""),
            store.city_slugs,
            lambda: store.recount(["a"]),
            lambda: store.import_rows([]),
            store.is_empty,
            store.forget_claims,
        ):
            with pytest.raises(StoreUnavailable):
                await asking()


async def test_a_function_of_ones_own_may_answer_nothing_or_anything_that_is_json() -> None:
    answers = [says(204), says(200, "null"), says(200, "{}"), says(200, "<html>")]
    async with Between(answer=lambda name: FIT) as between, opened(SupabaseStore(project(between.url))) as store:
        between.answer = lambda name: answers.pop(0)
        assert [await store.call("f", {}) for _ in range(3)] == [None, None, {}]
        with pytest.raises(StoreUnavailable, match="That is not what Supabase says"):
            await store.call("f", {})


async def test_forgetting_claims_is_not_asked_again_if_its_answer_is_lost() -> None:
    """How many the first one removed would be missing in the sum."""
    async with Between(answer=lambda name: FIT) as between, opened(SupabaseStore(project(between.url))) as store:
        between.answer = lambda name: LOST
        with pytest.raises(StoreUnavailable):
            await store.forget_claims()
    assert between.asked.count("forget_claims") == 1


async def test_an_idle_connection_is_closed_before_a_server_does_so() -> None:
    """Many do after 5 s, and a request that is on its way then is lost."""
    store = SupabaseStore(project("http://127.0.0.1:1"))
    transport = store._http._transport
    assert isinstance(transport, httpx.AsyncHTTPTransport)
    assert transport._pool._keepalive_expiry == KEEP_ALIVE_S < 5
    await store.close()


async def test_there_are_never_more_requests_at_once_than_connections(between: Between) -> None:
    async with opened(SupabaseStore(project(between.url), connections=3)) as store:
        await asyncio.gather(*(store.is_empty() for _ in range(30)))
    assert between.most_at_once == 3
