"""How a test says to Node what it says to Python with `JobOptions`. Written apart from barback's own encoder."""

import json
from typing import Any

from barback.options import JobOptions, Retention
from barback.retry import Fixed


def dumps(value: Any) -> str:
    """JSON as JavaScript writes it: no spaces, no escapes that are not needed."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def opts_of(options: JobOptions) -> dict[str, Any]:
    """BullMQ's options for those that differ from the defaults. Knows what these tests use."""
    opts: dict[str, Any] = {
        "priority": options.priority,
        "delay": round(options.delay_s * 1000),
        "attempts": options.attempts,
        "removeOnComplete": _retention(options.keep_completed),
        "removeOnFail": _retention(options.keep_failed),
        "keepLogs": options.keep_logs,
        "stackTraceLimit": options.keep_stacktraces,
    }
    if options.lifo:
        opts["lifo"] = True
    if options.job_id is not None:
        opts["jobId"] = options.job_id
    if options.backoff is not None:
        assert isinstance(options.backoff, Fixed)
        opts["backoff"] = {"type": "fixed", "delay": round(options.backoff.delay_s * 1000)}
    if options.deduplicate is not None:
        opts["deduplication"] = {"id": options.deduplicate.id}
    return opts


def _retention(retention: Retention) -> bool | dict[str, Any]:
    if retention.count == 0:
        return True
    bounds = {"count": retention.count, "age": retention.age_s}
    return {name: bound for name, bound in bounds.items() if bound is not None} or False
