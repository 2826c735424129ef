"""Between barback's values and what BullMQ stores. The only place that knows milliseconds and short option names."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from math import inf
from typing import Any, cast

from barback.answers import State
from barback.broker import FetchedJob, JobRecord
from barback.bullmq.keys import Keys
from barback.errors import InvalidOptions
from barback.inspector import Seen
from barback.options import (
    HIGHEST_PRIORITY_NUMBER,
    KEEP_COMPLETED,
    KEEP_FAILED,
    Deduplication,
    JobOptions,
    OnFailure,
    Retention,
)
from barback.retry import UNDECLARED, Backoff, Custom, Exponential, Fixed

Fields = Mapping[str, str]
WireOptions = dict[str, Any]

ON_FAILURE: dict[OnFailure, str] = {
    "fail-parent": "failParentOnFailure",
    "continue-parent": "continueParentOnFailure",
    "ignore": "ignoreDependencyOnFailure",
    "remove": "removeDependencyOnFailure",
}
SHORT = {
    "failParentOnFailure": "fpof",
    "continueParentOnFailure": "cpof",
    "ignoreDependencyOnFailure": "idof",
    "removeDependencyOnFailure": "rdof",
    "keepLogs": "kl",
    "deduplication": "de",
}
"""What BullMQ calls its options in Redis. A test holds it against the installed package."""
_LONG = {short: long for long, short in SHORT.items()}
_KEEP_ALL = Retention()
_NO_OPTIONS = JobOptions()
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,14}")
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, InvalidOptions)


ALONE = "barback:alone"
"""Our one field in BullMQ's hash; `lua/setAlone.lua` writes it."""
SCHEMA_HASH = "barback:schema"
"""Our one option among BullMQ's, written by the TypeScript client. Every BullMQ keeps what it does not know."""
LONGEST_SCHEMA_HASH = 64
LARGEST = 10**14 - 1
"""BullMQ stores numbers with 14 digits; larger ones would not be the same any more."""
LONGEST_S = LARGEST / 1000
"""Some 3,000 years."""


FRESH = 5
"""Name, data, opts, timestamp and id: what the script tells of a job that was added and never touched."""
KNOWN_OPTIONS, LONGEST_KNOWN = 256, 1_000
"""How many texts of options are remembered with what they mean, and up to which length."""


def ms(seconds: float) -> int:
    """Whole milliseconds, at least 1 for any time above zero, and at most as many as BullMQ can hold."""
    return max(1, round(min(seconds, LONGEST_S) * 1000)) if seconds > 0 else 0


# ── options ─────────────────────────────────────────────────────────────────────────────────────────────────────


def encode_options(options: JobOptions) -> WireOptions:
    """The options as BullMQ keeps them with the job, short names where it has them."""
    return {SHORT.get(key, key): value for key, value in bullmq_options(options).items()}


def bullmq_options(options: JobOptions) -> WireOptions:
    """The options as BullMQ's `add` takes them in Node."""
    wire: WireOptions = {
        "attempts": options.attempts,
        "delay": ms(options.delay_s),
        "removeOnComplete": encode_retention(options.keep_completed),
        "removeOnFail": encode_retention(options.keep_failed),
        "keepLogs": options.keep_logs,
        "stackTraceLimit": options.keep_stacktraces,
    }
    if options.job_id is not None:
        wire["jobId"] = options.job_id
    if options.priority:
        wire["priority"] = options.priority
    if options.lifo:
        wire["lifo"] = True
    if options.backoff is not None:
        wire["backoff"] = _encode_backoff(options.backoff)
    if options.deduplicate is not None:
        wire["deduplication"] = _encode_deduplication(options.deduplicate)
    if options.on_failure is not None:
        wire[ON_FAILURE[options.on_failure]] = True
    if options.schema_hash is not None:
        wire[SCHEMA_HASH] = options.schema_hash
    return wire


def encode_retention(retention: Retention) -> bool | dict[str, int]:
    """BullMQ: True keeps none, False keeps all, else bounds: `count`, `age` in whole seconds and its `limit`."""
    if retention.count == 0:
        return True
    wire: dict[str, int] = {}
    if retention.count is not None:
        wire["count"] = min(retention.count, LARGEST)
    if retention.age_s is not None:
        wire["age"] = max(1, round(min(retention.age_s, LARGEST)))
        if retention.remove_at_most != _KEEP_ALL.remove_at_most:
            wire["limit"] = min(retention.remove_at_most, LARGEST)
    return wire or False


def keep_jobs(retention: Retention) -> dict[str, int]:
    """What moveToFinished takes as `keepJobs`."""
    wire = encode_retention(retention)
    if isinstance(wire, bool):
        return {"count": 0 if wire else -1}
    return wire


def _encode_backoff(backoff: Backoff) -> WireOptions:
    match backoff:
        case Fixed():
            wire: WireOptions = {"type": "fixed", "delay": ms(backoff.delay_s)}
        case Exponential():
            wire = {"type": "exponential", "delay": ms(backoff.first_s)}
            if backoff.longest_s < inf:
                # Not BullMQ's: Node ignores it and goes on doubling.
                wire["longest"] = ms(backoff.longest_s)
        case Custom():
            wire = {"type": "custom"}
    if backoff.jitter:
        wire["jitter"] = backoff.jitter
    return wire


def _encode_deduplication(deduplication: Deduplication) -> WireOptions:
    wire: WireOptions = {"id": deduplication.id}
    if deduplication.ttl_s is not None:
        wire["ttl"] = ms(deduplication.ttl_s)
    if deduplication.extend:
        wire["extend"] = True
    if deduplication.replace:
        wire["replace"] = True
    if deduplication.keep_last_if_active:
        wire["keepLastIfActive"] = True
    return wire


def decode_options(text: str) -> JobOptions:
    """Options of any BullMQ. Numbers out of range are bent into it; what is not named gets barback's default retention.

    :raises ValueError, TypeError, KeyError: they cannot be read.
    """
    wire = cast("WireOptions", json.loads(text))
    long = {_LONG.get(key, key): value for key, value in wire.items()}
    return JobOptions(
        priority=min(max(0, int(long.get("priority") or 0)), HIGHEST_PRIORITY_NUMBER),
        delay_s=max(0.0, float(long.get("delay") or 0) / 1000),
        attempts=_whole(long.get("attempts") or 1, 1),
        backoff=_decode_backoff(long.get("backoff")),
        lifo=bool(long.get("lifo")),
        deduplicate=_decode_deduplication(long.get("deduplication")),
        keep_completed=_decode_retention(long.get("removeOnComplete"), KEEP_COMPLETED),
        keep_failed=_decode_retention(long.get("removeOnFail"), KEEP_FAILED),
        on_failure=next((ours for ours, theirs in ON_FAILURE.items() if long.get(theirs)), None),
        keep_logs=_whole(long.get("keepLogs") or 1_000, 1),
        keep_stacktraces=_whole(long.get("stackTraceLimit", 10), 0),
        schema_hash=str(long[SCHEMA_HASH])[:LONGEST_SCHEMA_HASH] if SCHEMA_HASH in long else None,
    )


_decode_known_options = lru_cache(KNOWN_OPTIONS)(decode_options)


def _whole(value: Any, least: int) -> int:
    return min(max(least, int(value)), LARGEST)


def _decode_retention(wire: Any, default: Retention) -> Retention:
    if wire is None:
        return default
    if isinstance(wire, bool):
        return Retention(count=0) if wire else _KEEP_ALL
    if isinstance(wire, int | float):
        return _KEEP_ALL if wire < 0 else Retention(count=int(wire))
    count, age, limit = wire.get("count"), wire.get("age"), wire.get("limit")
    return Retention(
        count=None if count is None or count < 0 else int(count),
        age_s=None if age is None or age <= 0 else float(age),
        remove_at_most=_KEEP_ALL.remove_at_most if limit is None else _remove_at_most(int(limit)),
    )


def _remove_at_most(limit: int) -> int:
    """Redis takes a negative limit for none."""
    return limit if limit >= 0 else LARGEST


def _decode_backoff(wire: Any) -> Backoff | None:
    """Fixed and exponential; any other strategy is for the declaring job to know."""
    if isinstance(wire, int | float):
        return Fixed(max(0.0, wire / 1000))
    if not wire:
        return None
    delay_s = max(0.0, float(wire.get("delay") or 0) / 1000)
    jitter = min(max(0.0, float(wire.get("jitter") or 0)), 1.0)
    if wire.get("type") == "fixed":
        return Fixed(delay_s, jitter)
    if wire.get("type") == "exponential":
        longest = wire.get("longest")
        return Exponential(delay_s, float(longest) / 1000 if longest else inf, jitter)
    return UNDECLARED


def _decode_deduplication(wire: Any) -> Deduplication | None:
    if not wire or not wire.get("id"):
        return None
    ttl = wire.get("ttl")
    return Deduplication(
        str(wire["id"]),
        float(ttl) / 1000 if ttl and ttl > 0 else None,
        bool(wire.get("extend")),
        bool(wire.get("replace")),
        bool(wire.get("keepLastIfActive")),
    )


# ── jobs ────────────────────────────────────────────────────────────────────────────────────────────────────────


def pairs(flat: Sequence[str]) -> dict[str, str]:
    """What HGETALL gives from inside a script: names and values in turn."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def decode_started(queue: str, token: str, job: Sequence[Any], started_ms: int) -> FetchedJob:
    """A job just started, as `lua/exchange.lua` tells it: what its hash held before."""
    if len(job) == FRESH:
        name, data, opts, timestamp, job_id = job
        # Most jobs are run for the first time, and few fields need to be looked at.
        try:
            added_at = _whole_number("timestamp", timestamp) / 1000
            return FetchedJob(
                queue, job_id, token, name, data, _options(opts),
                added_at=added_at, started_at=started_ms / 1000, fresh=True,
            )  # fmt: skip
        except _UNREADABLE:
            fields = {"name": name, "data": data, "opts": opts, "timestamp": timestamp}
    else:
        job_id, stored = job
        fields = pairs(stored)
    starts = int(fields.get("ats") or 0) + 1
    return decode_fetched(queue, job_id, token, fields | {"ats": str(starts), "processedOn": str(started_ms)})


def decode_fetched(queue: str, job_id: str, token: str, fields: Fields) -> FetchedJob:
    """A job just fetched. One that cannot be read says so in `unreadable` instead of raising."""
    try:
        _check(fields)
        stalls = _stalls(fields)
        return FetchedJob(
            queue=queue,
            id=job_id,
            token=token,
            name=fields["name"],
            data=fields["data"],
            options=_options(fields.get("opts")),
            attempt=attempts_made(fields) + 1,
            starts=_number(fields, "ats", 1),
            crashes=_crashes(fields, stalls),
            stalls=stalls,
            added_at=_number(fields, "timestamp") / 1000,
            started_at=_number(fields, "processedOn") / 1000,
            stacktraces=_decode_stacktraces(fields),
            schedule_id=fields.get("rjk"),
            deferred_failure=fields.get("defa"),
            is_child="parentKey" in fields,
        )
    except _UNREADABLE as error:
        reason = f"Job cannot be read: {_told(error)[:200]}"
        starts = _lenient(lambda: _number(fields, "ats", 1), 1)
        damaged = _lenient(lambda: _check(fields), True)
        return FetchedJob(
            queue, job_id, token, fields.get("name", ""), "", JobOptions(),
            starts=starts, unreadable=reason, damaged=damaged,
        )  # fmt: skip


def _check(fields: Fields) -> bool:
    """What BullMQ's scripts read when the job is settled, and would break on half-way; always False."""
    _number(fields, "atm", 0)
    if "parent" in fields and not _names_parent(fields["parent"]):
        raise _Unreadable("its field 'parent' names no parent")
    return False


def _names_parent(text: str) -> bool:
    try:
        parent: Any = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(parent, dict) and all(
        isinstance(cast("WireOptions", parent).get(name), str) for name in ("id", "queueKey")
    )


class _Unreadable(ValueError):
    """Says which field is wrong."""


def _told(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"its field {error} is missing"
    return str(error) if isinstance(error, _Unreadable) else f"{type(error).__name__}: {error}"


def _options(text: str | None) -> JobOptions:
    """A queue's jobs have few different options: each text is read once."""
    text = text or "{}"
    try:
        return _decode_known_options(text) if len(text) <= LONGEST_KNOWN else decode_options(text)
    except _UNREADABLE as error:
        _check_json("opts", text)
        raise _Unreadable(f"its field 'opts' cannot be used: {type(error).__name__}: {error}") from None


def _number(fields: Fields, name: str, default: int | None = None) -> int:
    text = fields[name] if default is None else fields.get(name) or ""
    if not text and default is not None:
        return default
    return _whole_number(name, text)


def _whole_number(name: str, text: str) -> int:
    # As Redis reads them: it refuses leading zeros, and we what is too large to be true.
    if not _WHOLE.fullmatch(text):
        raise _Unreadable(f"its field '{name}' is not a whole number")
    return int(text)


def _check_json(name: str, text: str) -> None:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        raise _Unreadable(f"its field '{name}' is not JSON") from None


def _stalls(fields: Fields) -> int:
    return _number(fields, "stc", 0)


def _crashes(fields: Fields, stalls: int) -> int:
    """Of all times that it stalled: the first, and those in which it ran alone."""
    return min(stalls, 1) + int(fields.get(ALONE) or 0)


def decode_record(keys: Keys, job_id: str, state: State, fields: Fields) -> JobRecord:
    """All that is stored of a job. A part that cannot be read gets its default: looking must not fail."""
    parent = fields.get("parentKey")
    return JobRecord(
        queue=keys.queue,
        id=job_id,
        name=fields.get("name", ""),
        state=state,
        data=fields.get("data", ""),
        options=_options_now(fields),
        added_at=_lenient(lambda: int(fields["timestamp"]) / 1000, 0.0),
        attempts_made=_lenient(lambda: attempts_made(fields), 0),
        starts=_lenient(lambda: int(fields.get("ats") or 0), 0),
        crashes=_lenient(lambda: _crashes(fields, _stalls(fields)), 0),
        progress=fields.get("progress", "0"),
        result=fields.get("returnvalue"),
        failed_reason=fields.get("failedReason"),
        stacktraces=_lenient(lambda: _decode_stacktraces(fields), ()),
        started_at=_lenient(lambda: int(fields["processedOn"]) / 1000, None),
        finished_at=_lenient(lambda: int(fields["finishedOn"]) / 1000, None),
        deduplication_id=fields.get("deid"),
        schedule_id=fields.get("rjk"),
        parent=parent.removeprefix(f"{keys.prefix}:") if parent else None,
        worker=fields.get("pb") or None,
    )


def decode_seen(keys: Keys, state: State, job: Sequence[Any]) -> Seen:
    """A job as `lua/scanJobs.lua` tells it."""
    job_id, size, cut, *flat = job
    fields = pairs(flat)
    newest = newest_stacktrace(fields.pop("newest", ""))
    record = decode_record(keys, str(job_id), state, fields)
    return Seen(replace(record, stacktraces=(newest,)) if newest else record, int(size), bool(cut))


def newest_stacktrace(end: str) -> str:
    """The last of a JSON list of texts, of which only the end may be there; of a very long one, its last lines."""
    if not end or end.startswith("["):
        return next(reversed(_lenient(lambda: _decode_stacktraces({"stacktrace": end}), ())), "")
    *earlier, newest = re.split('", ?"', end)
    # Cut in the middle of a text: what is left of the line may begin with half an escape.
    text = newest if earlier else end.partition("\\n")[2]
    return str(_lenient(lambda: json.loads(f'["{text}', strict=False)[0], ""))


def _options_now(fields: Fields) -> JobOptions:
    """As they were given; of the priority what it was changed to since, which BullMQ keeps beside them."""
    options = _lenient(lambda: _options(fields.get("opts")), _NO_OPTIONS)
    priority = _lenient(lambda: _number(fields, "priority", 0), 0)
    is_changed = priority != options.priority and 0 <= priority <= HIGHEST_PRIORITY_NUMBER
    return replace(options, priority=priority) if is_changed else options


def attempts_made(fields: Fields) -> int:
    """Attempts that have ended; Node 4 called the field attemptsMade."""
    return _number(fields, "atm", 0) or _number(fields, "attemptsMade", 0)


def encode_stacktraces(earlier: Sequence[str], newest: str, limit: int) -> str:
    """The JSON list BullMQ keeps, the newest last, at most `limit` of them."""
    traces = [*earlier, newest] if newest else list(earlier)
    return json.dumps(traces[-limit:] if limit else [], ensure_ascii=False)


def _decode_stacktraces(fields: Fields) -> tuple[str, ...]:
    text = fields.get("stacktrace")
    if not text:
        return ()
    traces = json.loads(text)
    return tuple(str(trace) for trace in traces)


def _lenient(read: Any, default: Any) -> Any:
    try:
        return read()
    except _UNREADABLE:
        return default
