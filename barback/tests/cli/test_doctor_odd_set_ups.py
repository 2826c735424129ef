"""`barback doctor` where somebody else has written into a queue, or named settings as others do: it tells (P40)."""

import json

import pytest

from barback.bullmq import leftovers
from barback.doctor import names

from .installation import PASSWORD, Installation, SetUp, check_named, findings

HUGE = "9" * 5000
"""More digits than Python reads as a number."""


def write_no_number_as_the_id(shop: Installation) -> None:
    shop.enqueue()
    shop.server.set(shop.key("id"), "abc")


def write_no_number_into_the_rate_limiter(shop: Installation) -> None:
    shop.enqueue()
    shop.server.hset(shop.key("meta"), mapping={"max": 1, "duration": 1000})
    shop.server.set(shop.key("limiter"), "abc", px=100_000)


def write_huge_limits(shop: Installation) -> None:
    shop.enqueue()
    shop.server.hset(shop.key("meta"), mapping={"max": HUGE, "duration": HUGE, "concurrency": HUGE})


def write_huge_metrics(shop: Installation) -> None:
    shop.enqueue()
    shop.server.hset(shop.key("metrics:completed"), mapping={"count": HUGE, "prevTS": HUGE})
    shop.server.rpush(shop.key("metrics:completed:data"), HUGE)


def write_metrics_of_another_type(shop: Installation) -> None:
    shop.enqueue()
    shop.server.set(shop.key("metrics:completed"), "x")


def follow_a_master(shop: Installation) -> None:
    shop.server.slaveof("127.0.0.1", 1)


def lose_the_master(shop: Installation) -> None:
    shop.server.slaveof("127.0.0.1", 1)
    shop.server.config_set("replica-serve-stale-data", "no")


def allow_no_more_clients(shop: Installation) -> None:
    shop.server.config_set("maxclients", 1)


def forbid_scripts(shop: Installation) -> None:
    shop.environment["REDIS_URL"] = shop.other_user("~bull:*", "~barback:*", "+@all", "-script|load")


def use_up_its_memory(shop: Installation) -> None:
    shop.server.config_set("maxmemory", shop.server.info("memory")["used_memory"] // 2)


def name_no_module(shop: Installation) -> None:
    shop.environment["BARBACK_APP"] = "nope.app:app"


def set_a_prefix_as_others_call_it(shop: Installation) -> None:
    shop.environment["REDIS_PREFIX"] = "jobs"


def set_a_prefix_by_the_name_of_the_library(shop: Installation) -> None:
    shop.environment["BULLMQ_PREFIX"] = "jobs"


def set_a_database_as_others_call_it(shop: Installation) -> None:
    shop.environment["REDIS_DATABASE"] = "3"


def set_the_concurrency_of_workers(shop: Installation) -> None:
    shop.environment["WORKERS_CONCURRENCY"] = "50"


SET_UPS = [
    SetUp(write_no_number_as_the_id, "keys", "error", ("bull:greetings:id holds 'abc'",), "-n 1 SET bull:greetings:id"),
    SetUp(
        write_no_number_into_the_rate_limiter, "keys", "error", ("limiter holds 'abc'",), "DEL bull:greetings:limiter"
    ),
    SetUp(write_huge_limits, "waiting", "error", ("1 job of queue",), "barback work"),
    SetUp(write_huge_metrics, "waiting", "error", ("1 job of queue",), "barback work"),
    SetUp(write_metrics_of_another_type, "keys", "error", ("metrics:completed holds a string",), "-n 1 DEL bull:"),
    SetUp(write_metrics_of_another_type, "waiting", "error", ("1 job of queue",), "barback work"),
    SetUp(follow_a_master, "server", "error", ("is a read-only replica", "127.0.0.1:1"), "No worker starts"),
    SetUp(lose_the_master, "connection", "error", ("Link with MASTER is down",), "point REDIS_URL at the master"),
    SetUp(
        allow_no_more_clients, "connection", "error", ("max number of clients reached",), "Its maxclients is reached"
    ),
    SetUp(forbid_scripts, "connection", "error", ("needed: User clerk has no permissions",), "`worker` in deploy/"),
    SetUp(use_up_its_memory, "memory", "error", (": no job can be added",), "Raise maxmemory"),
    SetUp(name_no_module, "app", "error", ("there is no module 'nope'",), "BARBACK_APP"),
    SetUp(set_a_prefix_as_others_call_it, "settings", "warning", ("REDIS_PREFIX is set",), "Is BARBACK_PREFIX meant"),
    SetUp(set_a_prefix_by_the_name_of_the_library, "settings", "warning", ("BULLMQ_PREFIX",), "Is BARBACK_PREFIX"),
    SetUp(set_a_database_as_others_call_it, "settings", "warning", ("REDIS_DATABASE is set",), "Is REDIS_DB meant"),
    SetUp(set_the_concurrency_of_workers, "settings", "warning", ("WORKERS_CONC",), "mean 'WORKER_CONCURRENCY'?"),
]


@pytest.mark.parametrize("set_up", SET_UPS, ids=[f"{one.break_.__name__}-{one.check}" for one in SET_UPS])
def test_its_cause_is_named_with_what_to_do(shop: Installation, set_up: SetUp) -> None:
    check_named(shop, set_up)


@pytest.mark.parametrize(
    "name", ["REDIS_PORT", "REDIS_PASS", "REDIS_ADDR", "REDIS", "KV_URL", "REDIS_CONNECTION_STRING"]
)
def test_without_an_address_what_others_call_it_is_named(shop: Installation, name: str) -> None:
    shop.environment |= {"REDIS_URL": "", name: PASSWORD}
    _, found = findings(shop)
    [finding] = [one for one in found if one["check"] == "settings"]
    assert finding["text"].startswith(f"{name} is set")
    assert finding["advice"] == "Is REDIS_URL meant, which is not set?"
    assert PASSWORD not in json.dumps(found)


def test_of_the_variables_of_a_web_app_beside_it_nothing_is_said(shop: Installation) -> None:
    shop.barback("schedules", "apply")
    for name in (
        "KV_URL",
        "POSTGRES_URL",
        "REDIS_PORT",
        "NEXT_PUBLIC_API_URL",
        "WEB_CONCURRENCY",
        "PORT",
        "AUTH_SECRET",
    ):
        shop.environment[name] = "1"
    assert findings(shop) == (0, [])


def test_without_an_app_the_server_is_looked_at_all_the_same(shop: Installation) -> None:
    shop.environment |= {"BARBACK_APP": "nope.app:app", "REDIS_URL": "redis://127.0.0.1:1"}
    code, found = findings(shop)
    assert (code, [one["check"] for one in found]) == (1, ["app", "connection"])
    asked = shop.barback("doctor")
    assert (asked.code, asked.out.splitlines()[0][:11]) == (1, "error  app:")


def test_a_queue_that_cannot_be_read_hides_no_finding_of_another(shop: Installation) -> None:
    shop.server.hset("bull:another:meta", "version", "bullmq:6.7.0")
    shop.server.set("bull:another:active", "x")
    shop.enqueue("gret")
    _, found = findings(shop)
    assert [one["check"] for one in found if one["level"] == "error"] == ["waiting", "waiting", "names"]
    assert "bull:another:active holds a string in place of a list" in found[0]["text"]


def test_what_the_doctor_itself_stumbles_over_is_a_finding(shop: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "did_you_mean", None)
    shop.enqueue("gret")
    code, found = findings(shop)
    assert (code, [one["check"] for one in found]) == (1, ["doctor"])
    assert "TypeError" in found[0]["text"]


def test_many_and_long_names_make_few_and_short_findings(shop: Installation) -> None:
    for number in range(12):
        shop.enqueue(f"{number:02}-{'x' * 50_000}")
    _, found = findings(shop)
    told = [one for one in found if one["check"] == "names"]
    assert len(told) == 6
    assert "7 more jobs of 7 other names wait" in told[-1]["text"]
    assert len(json.dumps(found)) < 10_000


def test_what_was_not_looked_at_is_said(shop: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.enqueue()
    shop.server.delete(shop.key("wait"))
    monkeypatch.setattr(leftovers, "LOOK_FOR_S", -1.0)
    _, found = findings(shop)
    [finding] = [one for one in found if one["check"] == "orphans"]
    assert (finding["level"], "jobs of queue greetings are in no list was not" in finding["text"]) == ("warning", True)


def test_the_keys_of_many_queues_are_gone_through_once(shop: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        shop.server.hset(f"bull:q{number}:meta", "version", "bullmq:6.7.0")
        shop.server.hset(f"bull:q{number}:7", mapping={"name": "lost", "timestamp": 1})
    before = shop.server.info("commandstats")["cmdstat_scan"]["calls"]
    _, found = findings(shop)
    assert len([one for one in found if one["check"] == "orphans"]) == 30
    assert shop.server.info("commandstats")["cmdstat_scan"]["calls"] - before < 20
