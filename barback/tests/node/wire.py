"""How a test says to Node what it says to Python with `JobOptions`. Written apart from barback's own encoder."""

import json
from math import inf
from typing import Any

from barback.options import Deduplication, JobOptions, OnFailure, Retention
from barback.retry import Exponential, Fixed

ON_FAILURE: dict[OnFailure, str] = {
    "fail-parent": "failParentOnFailure",
    "continue-parent": "continueParentOnFailure",
    "ignore": "ignoreDependencyOnFailure",
    "remove": "removeDependencyOnFailure",
}


def dumps(value: Any) -> str:
    """JSON as JavaScript writes it: no spaces, no escapes that are not needed."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def opts_of(options: JobOptions) -> dict[str, Any]:
    """BullMQ's options for those that differ from the defaults. Knows what these tests use."""
    opts: dict[str, Any] = {
        "delay": round(options.delay_s * 1000),
        "attempts": options.attempts,
        "removeOnComplete": _retention(options.keep_completed),
        "removeOnFail": _retention(options.keep_failed),
        "keepLogs": options.keep_logs,
        "stackTraceLimit": options.keep_stacktraces,
    }
    if options.priority:
        opts["priority"] = options.priority
    if options.lifo:
        opts["lifo"] = True
    if options.job_id is not None:
        opts["jobId"] = options.job_id
    match options.backoff:
        case None:
            pass
        case Fixed():
            opts["backoff"] = {"type": "fixed", "delay": round(options.backoff.delay_s * 1000)}
        case Exponential() if options.backoff.longest_s == inf:
            opts["backoff"] = {"type": "exponential", "delay": round(options.backoff.first_s * 1000)}
        case _:
            raise AssertionError(f"{options.backoff} cannot be said to Node")
    if options.deduplicate is not None:
        opts["deduplication"] = _deduplication(options.deduplicate)
    if options.on_failure is not None:
        opts[ON_FAILURE[options.on_failure]] = True
    return opts


def _deduplication(rule: Deduplication) -> dict[str, Any]:
    flags = {"extend": rule.extend, "replace": rule.replace, "keepLastIfActive": rule.keep_last_if_active}
    wire: dict[str, Any] = {"id": rule.id, **{name: True for name, is_set in flags.items() if is_set}}
    return wire if rule.ttl_s is None else wire | {"ttl": round(rule.ttl_s * 1000)}


def _retention(retention: Retention) -> bool | dict[str, Any]:
    if retention.count == 0:
        return True
    limit = retention.remove_at_most if retention.age_s is not None and retention.remove_at_most != 1_000 else None
    bounds = {"count": retention.count, "age": retention.age_s, "limit": limit}
    return {name: bound for name, bound in bounds.items() if bound is not None} or False
