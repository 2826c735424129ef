"""`barback doctor` on set-ups that are broken on purpose: each is named, with its cause and with what to do (P40)."""

import time
from contextlib import closing
from typing import Any, cast

import pytest
import redis

from .installation import PASSWORD, Installation, SetUp, check_named, findings


def refuse_connections(shop: Installation) -> None:
    shop.environment["REDIS_URL"] = "redis://127.0.0.1:1"


def misspell_the_host(shop: Installation) -> None:
    shop.environment["REDIS_URL"] = "redis://redis.invalid:6379"


def change_the_password(shop: Installation) -> None:
    shop.environment["REDIS_URL"] = shop.url.replace("redis://", "redis://default:wrong@")
    shop.server.config_set("requirepass", PASSWORD)


def name_no_such_database(shop: Installation) -> None:
    shop.environment["REDIS_DB"] = "99"


def take_a_right(shop: Installation) -> None:
    shop.environment["REDIS_URL"] = shop.other_user("~bull:*", "~barback:*", "+@all", "-rpoplpush", "-xadd")


def take_the_right_to_our_keys(shop: Installation) -> None:
    shop.environment["REDIS_URL"] = shop.other_user("~bull:*", "+@all")


def let_it_evict(shop: Installation) -> None:
    shop.server.config_set("maxmemory-policy", "allkeys-lru")


def keep_nothing_on_disk(shop: Installation) -> None:
    shop.server.config_set("appendonly", "no")
    shop.server.config_set("save", "")


def fill_its_memory(shop: Installation) -> None:
    used = shop.server.info("memory")["used_memory"]
    shop.server.config_set("maxmemory", int(used * 1.04) + 100_000)


def enqueue_to_another_database(shop: Installation) -> None:
    with closing(cast("Any", redis.Redis).from_url(shop.url, db=0)) as other:
        other.hset(shop.key("meta"), "version", "bullmq:6.7.0")
        other.lpush(shop.key("wait"), "1", "2")


def enqueue_under_another_prefix(shop: Installation) -> None:
    shop.enqueue(prefix="jobs")
    # Once a worker looked after it, which says nothing of today.
    shop.server.set(f"jobs:{shop.queue}:barback-checked", int(time.time() * 1000) - 86_400_000)


def write_by_two_versions(shop: Installation) -> None:
    shop.server.hset(shop.key("meta"), "version", "bullmq:6.7.0")
    shop.server.hset(f"bull:{shop.queue}-old:meta", "version", "bullmq:5.81.5")


def write_by_an_ancient_version(shop: Installation) -> None:
    shop.server.hset(shop.key("meta"), "version", "bullmq:3.15.8")


def leave_a_repeatable_of_bullmq_5(shop: Installation) -> None:
    at = int((time.time() + 3600) * 1000)
    shop.server.zadd(shop.key("repeat"), {"greet:::Europe/Berlin:0 3 * * *": at})
    shop.server.hset(shop.key("meta"), "version", "bullmq:5.81.5")


def break_a_schedule(shop: Installation) -> None:
    shop.barback("schedules", "apply")
    shop.server.hset(shop.key("repeat:nightly"), "tz", "Mars/North")


def leave_schedules_to_nobody(shop: Installation) -> None:
    shop.barback("schedules", "apply")
    shop.server.zadd(shop.key("repeat"), {"nightly": (time.time() - 90) * 1000})


def rename_a_job(shop: Installation) -> None:
    shop.enqueue("gret")


def start_no_worker(shop: Installation) -> None:
    shop.enqueue()


def misspell_the_queue(shop: Installation) -> None:
    shop.enqueue(queue="greatings")


def pause_the_queue(shop: Installation) -> None:
    shop.enqueue()
    shop.barback("jobs", "pause", shop.queue)


def kill_a_worker(shop: Installation) -> None:
    job_id = shop.enqueue()
    shop.server.lmove(shop.key("wait"), shop.key("active"))
    shop.server.hset(shop.key(job_id), "processedOn", int((time.time() - 600) * 1000))


def lose_a_job(shop: Installation) -> None:
    shop.enqueue()
    shop.server.delete(shop.key("wait"))


def leave_the_log_of_a_job_that_is_gone(shop: Installation) -> None:
    shop.enqueue()
    shop.barback("jobs", "remove", shop.queue, "1")
    shop.server.rpush(shop.key("1:logs"), "still here")


def fail_for_one_reason(shop: Installation) -> None:
    now = int(time.time() * 1000)
    for _ in range(4):
        job_id = shop.enqueue()
        shop.server.lrem(shop.key("wait"), 1, job_id)
        shop.server.hset(shop.key(job_id), mapping={"failedReason": "ECONNREFUSED 10.0.0.5:5432", "finishedOn": now})
        shop.server.zadd(shop.key("failed"), {job_id: now})


def put_another_kind_of_key(shop: Installation) -> None:
    shop.server.set(shop.key("wait"), "a string")


def misspell_settings(shop: Installation) -> None:
    shop.environment["BARBACK_GRACE"] = "60"


def misspell_the_address_in_a_file(shop: Installation) -> None:
    (shop.project / ".env").write_text(f"REDIS_ULR={shop.url}\n")
    shop.environment["REDIS_URL"] = ""


def set_the_concurrency_of_no_queue(shop: Installation) -> None:
    shop.environment[f"X{shop.queue.upper()}_CONCURRENCY"] = "50"


def set_a_wrong_value(shop: Installation) -> None:
    shop.environment["WORKER_CONCURRENCY"] = "many"


def show_the_dashboard_to_everybody(shop: Installation) -> None:
    shop.environment["DASHBOARD_ORIGIN"] = "https://jobs.example.com"


def believe_every_proxy(shop: Installation) -> None:
    shop.environment |= {"DASHBOARD_PROXY_USER_HEADER": "X-User", "DASHBOARD_TRUSTED_PROXY": "128.0.0.0/1"}


def break_the_apps_own_check(shop: Installation) -> None:
    app = shop.project / "src" / "shop" / "app.py"
    check = """
from barback import Finding

async def check_till():
    return [Finding("till", "error", "The till is empty.", "Fill it.")]
"""
    text = app.read_text().replace("\napp = App(", f"{check}\napp = App(checks=(check_till,),")
    app.write_text(text)


SET_UPS = [
    # The old worker's list: it does not connect …
    SetUp(refuse_connections, "connection", "error", ("127.0.0.1:1 cannot be reached",), "Nothing listens there"),
    SetUp(misspell_the_host, "connection", "error", ("redis.invalid", "cannot be reached"), "name is not known here"),
    SetUp(change_the_password, "connection", "error", ("refused the password or user",), "Compare user and password"),
    SetUp(name_no_such_database, "connection", "error", ("has no database 99",), "Set REDIS_DB"),
    SetUp(take_a_right, "rights", "error", ("RPOPLPUSH bull:", "XADD bull:"), "deploy/redis-users.acl"),
    SetUp(take_the_right_to_our_keys, "rights", "error", ("anything with barback:bull:documents",), "barback:*"),
    # … jobs are not processed …
    SetUp(enqueue_to_another_database, "place", "error", ("In database 0", "2 jobs wait", "database 1"), "REDIS_DB=0"),
    SetUp(enqueue_under_another_prefix, "place", "error", ("prefix 'jobs'", "1 job waits"), "BARBACK_PREFIX=jobs"),
    SetUp(
        start_no_worker,
        "waiting",
        "error",
        ("1 job of queue 'greetings' waits. No live worker works queue",),
        "barback work",
    ),
    SetUp(misspell_the_queue, "waiting", "error", ("No live worker works queue",), "Did you mean"),
    SetUp(pause_the_queue, "waiting", "warning", ("is paused",), "barback jobs resume"),
    SetUp(kill_a_worker, "stuck", "error", ("1 job of queue", "no worker holds it", "min ago"), "Start a worker"),
    SetUp(lose_a_job, "orphans", "error", ("1 job of queue", "is in no list"), "barback jobs repair"),
    SetUp(
        put_another_kind_of_key,
        "waiting",
        "error",
        ("cannot be read", "WRONGTYPE", "bull:greetings:wait holds a string"),
        "of another type (redis-cli -n 1 DEL bull:greetings:wait)",
    ),
    SetUp(leave_schedules_to_nobody, "schedules", "error", ("'nightly'", "has been due for 90 s"), "Start a worker"),
    SetUp(break_a_schedule, "schedules", "error", ("'nightly'", "zone 'Mars/North' is not known"), "schedules remove"),
    SetUp(set_a_wrong_value, "settings", "error", ("WORKER_CONCURRENCY: ",), ".env.local"),
    SetUp(misspell_settings, "settings", "warning", ("BARBACK_GRACE is set (environment)",), "'BARBACK_GRACE_S'"),
    SetUp(misspell_the_address_in_a_file, "settings", "warning", ("REDIS_ULR is set (.env)",), "Is REDIS_URL meant"),
    SetUp(set_the_concurrency_of_no_queue, "settings", "warning", ("_CONCURRENCY is set",), "Did you mean"),
    # … jobs fail …
    SetUp(rename_a_job, "names", "error", ("1 job named 'gret' waits",), "Did you mean 'greet'?"),
    SetUp(fail_for_one_reason, "failing", "warning", ("4 jobs", "(greet)", "ECONNREFUSED"), "barback jobs show"),
    # … and what will go wrong one day.
    SetUp(let_it_evict, "server", "error", ("maxmemory-policy is 'allkeys-lru'",), "No worker starts"),
    SetUp(keep_nothing_on_disk, "persistence", "error", ("writes nothing to disk",), "appendonly yes"),
    SetUp(fill_its_memory, "memory", "error", ("of the memory it may use",), "Raise maxmemory"),
    SetUp(write_by_two_versions, "versions", "warning", ("BullMQ 5 in", "BullMQ 6 in"), "one major version"),
    SetUp(write_by_an_ancient_version, "server", "error", ("was last written by 'bullmq:3.15.8'",), "No worker starts"),
    SetUp(leave_a_repeatable_of_bullmq_5, "repeatables", "warning", ("comes from a repeatable",), "Declare it"),
    SetUp(leave_the_log_of_a_job_that_is_gone, "keys", "warning", ("1 key of queue", ":1:logs"), "redis-cli -n 1 DEL"),
    SetUp(show_the_dashboard_to_everybody, "dashboard", "error", ("no way to sign in",), "DASHBOARD_PASSWORD_HASH"),
    SetUp(believe_every_proxy, "dashboard", "error", ("2,147,483,648 public addresses",), "proxies' own addresses"),
    SetUp(break_the_apps_own_check, "till", "error", ("The till is empty.",), "Fill it."),
]


def test_of_a_sound_one_nothing_is_said(shop: Installation) -> None:
    shop.barback("schedules", "apply")
    assert findings(shop) == (0, [])


def test_another_installation_on_the_same_server_is_no_trouble(shop: Installation) -> None:
    """Its schedules wait for their time, and its worker comes to what waits; see `enqueue_under_another_prefix`."""
    shop.barback("schedules", "apply")
    shop.environment["BARBACK_PREFIX"] = "staging"
    shop.barback("schedules", "apply")
    shop.environment.pop("BARBACK_PREFIX")
    assert findings(shop) == (0, [])
    shop.enqueue(prefix="staging")
    shop.server.set(f"staging:{shop.queue}:stalled-check", "1", ex=60)
    assert findings(shop) == (0, [])


@pytest.mark.parametrize("set_up", SET_UPS, ids=[one.break_.__name__ for one in SET_UPS])
def test_its_cause_is_named_with_what_to_do(shop: Installation, set_up: SetUp) -> None:
    check_named(shop, set_up)


@pytest.mark.parametrize("ahead_s", [3.0, -3.0])
def test_a_clock_that_differs_is_named(shop: Installation, monkeypatch: pytest.MonkeyPatch, ahead_s: float) -> None:
    now = time.time
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now() + ahead_s)
        _, found = findings(shop)
    [finding] = [one for one in found if "clock" in one["text"]]
    assert finding["level"] == "error"
    assert f"3.0 s {'ahead of' if ahead_s > 0 else 'behind'} its own" in finding["text"]
