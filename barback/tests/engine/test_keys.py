"""Keys and option names are BullMQ's own, held against the installed package."""

import warnings

from barback.bullmq.codec import SHORT
from barback.bullmq.keys import keys_of

with warnings.catch_warnings():
    # What it imports may warn; that is its own affair.
    warnings.simplefilter("ignore")
    from bullmq.job import optsEncodeMap
    from bullmq.queue_keys import QueueKeys


def test_keys_are_those_of_the_installed_package() -> None:
    theirs: dict[str, str] = QueueKeys("bull").getKeys("cafe-processing")
    ours = keys_of("bull", "cafe-processing")
    assert {name: ours[name] for name in theirs} == theirs


def test_a_jobs_key_is_the_queues_with_its_id() -> None:
    assert keys_of("bull", "cron-jobs").job("42") == QueueKeys("bull").toKey("cron-jobs", "42")


def test_short_option_names_are_those_of_the_installed_package() -> None:
    assert optsEncodeMap == SHORT
