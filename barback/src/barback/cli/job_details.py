"""A stored job as JSON for machines and as facts for people."""

import json
from dataclasses import asdict, replace
from typing import Any

from barback.app import AnyApp
from barback.broker import JobRecord
from barback.cli.printing import moment
from barback.control.secrets import Secrets
from barback.options import options_json
from barback.telemetry.published import secrets_of

JSON_FIELDS = ("data", "result", "progress")
"""Kept as JSON text; given as the value."""


def without_secrets(record: JobRecord, app: AnyApp) -> JobRecord:
    """With its payload as it may be shown."""
    declared = [job for job in app.registry.jobs if job.queue == record.queue]
    hidden = Secrets({name: sorted(secrets_of(job)) for job in declared for name in job.names}).hide(record)
    return record if hidden is record else replace(record, data=json.dumps(_value(hidden.data), ensure_ascii=False))


def as_json(record: JobRecord) -> dict[str, Any]:
    """All that is stored of a job, JSON-able. Moments are epoch seconds, durations seconds."""
    fields = asdict(record)
    for name in JSON_FIELDS:
        fields[name] = _value(fields[name])
    fields["options"] = options_json(record.options)
    fields["stacktraces"] = list(record.stacktraces)
    return fields


def as_facts(record: JobRecord, logs: list[str]) -> list[tuple[str, str]]:
    """Name and value, one line each; what there is not is left out."""
    options = ", ".join(f"{name}={json.dumps(value)}" for name, value in options_json(record.options).items())
    attempts = f"{record.attempts_made} of {record.options.attempts} made"
    facts = [
        ("job", f"{record.name} {record.id} of {record.queue}"),
        ("state", record.state),
        ("payload", record.data),
        ("options", options),
        ("attempts", f"{attempts}, started {record.starts} times, crashed {record.crashes} times"),
        ("added", moment(record.added_at)),
        ("started", moment(record.started_at)),
        ("finished", moment(record.finished_at)),
        ("progress", record.progress),
        ("result", record.result or ""),
        ("reason", record.failed_reason or ""),
        ("unique key", record.deduplication_id or ""),
        ("schedule", record.schedule_id or ""),
        ("parent", record.parent or ""),
    ]
    for stacktrace in record.stacktraces:
        facts += _lines("stack", stacktrace.splitlines())
    return [(name, value) for name, value in [*facts, *_lines("log", logs)] if value]


def _lines(name: str, lines: list[str]) -> list[tuple[str, str]]:
    return [("" if index else name, line) for index, line in enumerate(lines)]


def _value(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        # Another BullMQ may have stored what is no JSON; it is still worth seeing.
        return text
