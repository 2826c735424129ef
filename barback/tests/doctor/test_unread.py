"""Settings that nothing reads: what is one of ours by another name, and what is a web app's own."""

import pytest

from barback.doctor.unread import check_unread

KNOWN = ("REDIS_URL", "REDIS_DB", "BARBACK_PREFIX", "DATABASE_URL", "WORKER_CONCURRENCY")


def said(*given: str, needless: tuple[str, ...] = ()) -> list[str]:
    return [one.advice for one in check_unread({"environment": given}, KNOWN, ["mail"], needless)]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("POSTGRES_URL", "DATABASE_URL"),
        ("REDIS_PREFIX", "BARBACK_PREFIX"),
        ("KV_URL", "REDIS_URL"),
        ("REDIS_DATABASE", "REDIS_DB"),
    ],
)
def test_what_others_call_it_is_named_while_it_is_not_set_itself(name: str, meant: str) -> None:
    assert said(name) == [f"Is {meant} meant, which is not set?"]
    assert said(name, meant) == []


def test_where_something_else_stands_in_for_it_nobody_misses_it() -> None:
    assert said("POSTGRES_URL", needless=("DATABASE_URL",)) == []


def test_a_concurrency_is_likened_to_that_of_queues_and_of_all() -> None:
    assert said("WORKERS_CONCURRENCY") == ["No queue has that variable. Did you mean 'WORKER_CONCURRENCY'?"]
    assert said("MAILS_CONCURRENCY") == ["No queue has that variable. Did you mean 'MAIL_CONCURRENCY'?"]
    assert said("WEB_CONCURRENCY") == []
