"""What an app publishes of itself, so that faces know its jobs and schedules without its code."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from barback.app import AnyApp
from barback.job import AnyJob
from barback.masking import Path, secret_paths, without_values
from barback.options import JobOptions
from barback.payload_schema import schema_hash
from barback.payload_traits import has_alternative_names
from barback.retry import Custom
from barback.schedule import Missed, Overlap, Schedule

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.telemetry")

KIND = "app"
"""Of document, by the app's name."""
SECRETS = "secrets"
"""Of document, by `PublishedSecrets.key`: it outlives the app's, as finished jobs do."""


@dataclass(frozen=True, slots=True)
class PublishedJob:
    """A declared job.

    `schema`: the JSON Schema of its payload as it stands on the wire; None: there is none. `secret`: the paths of the
    payload that no face may show (see `masking`); all of it, if a schema cannot tell where they are. `custom_backoff`:
    its backoff is a function of the app's, and none of its `options` here.
    """

    name: str
    queue: str
    schema: Mapping[str, Any] | None
    secret: tuple[Path, ...] = ()
    options: JobOptions = field(default_factory=JobOptions)
    custom_backoff: bool = False
    timeout_s: float | None = None
    former_names: tuple[str, ...] = ()
    schema_hash: str = ""
    """Of the payload: what a client should know."""
    external: bool = False
    """TypeScript works it."""

    @property
    def names(self) -> tuple[str, ...]:
        """As `Job.names`."""
        return (self.name, *self.former_names)

    @property
    def priority(self) -> int:
        return self.options.priority

    @property
    def attempts(self) -> int:
        return self.options.attempts


@dataclass(frozen=True, slots=True)
class PublishedSchedule:
    """A declared schedule, its times as in `cron.Timing`."""

    id: str
    queue: str
    job: str
    pattern: str | None = None
    every_s: float | None = None
    tz: str = "UTC"
    offset_s: float = 0.0
    start_at: float | None = None
    end_at: float | None = None
    limit: int | None = None
    missed: Missed = "once"
    overlap: Overlap = "allow"


@dataclass(frozen=True, slots=True)
class PublishedApp:
    """What one release of an app declares; `at`: when a worker of it said so last, epoch seconds."""

    name: str
    release: str
    at: float
    jobs: tuple[PublishedJob, ...] = ()
    schedules: tuple[PublishedSchedule, ...] = ()

    def encode(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    def secrets(self) -> "list[PublishedSecrets]":
        """Of each job that has some."""
        return [PublishedSecrets(self.name, job.queue, job.name, job.secret) for job in self.jobs if job.secret]


@dataclass(frozen=True, slots=True)
class PublishedSecrets:
    """Where the secrets of one job's payloads are, as an app declared it last."""

    app: str
    queue: str
    job: str
    paths: tuple[Path, ...]

    @property
    def key(self) -> str:
        return json.dumps([self.app, self.queue, self.job])

    def encode(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))


_APP = TypeAdapter(PublishedApp)
_SECRETS = TypeAdapter(PublishedSecrets)


def decode_app(text: str) -> PublishedApp | None:
    """None: it cannot be read."""
    try:
        return _APP.validate_json(text)
    except ValidationError:
        return None


def decode_secrets(text: str) -> PublishedSecrets | None:
    """None: it cannot be read."""
    try:
        return _SECRETS.validate_json(text)
    except ValidationError:
        return None


def publish(app: AnyApp, release: str, at: float) -> PublishedApp:
    """What this app declares."""
    return PublishedApp(
        app.name,
        release,
        at,
        tuple(_job(job) for job in app.registry.jobs),
        tuple(_schedule(schedule) for schedule in app.schedules),
    )


def schemas_of(app: AnyApp, queue: str) -> dict[str, str]:
    """The hash of each payload by its job's name, as clients should know them."""
    return {job.name: schema_hash(job.payload_type) for job in app.registry.jobs if job.queue == queue}


def _job(job: AnyJob) -> PublishedJob:
    schema, secret = _payload(job)
    is_custom = isinstance(job.options.backoff, Custom)
    options = replace(job.options, backoff=None) if is_custom else job.options
    return PublishedJob(
        job.name,
        job.queue,
        schema,
        secret,
        options,
        is_custom,
        job.timeout_s,
        job.former_names,
        schema_hash(job.payload_type),
        job.external,
    )


def secrets_of(job: AnyJob) -> tuple[Path, ...]:
    """Where in its payload secrets are, under any name a field may have. `((),)`: all of it is, or may be."""
    return _payload(job)[1]


def _payload(job: AnyJob) -> tuple[Mapping[str, Any] | None, tuple[Path, ...]]:
    kind = job.payload_type
    try:
        schema = kind.model_json_schema(by_alias=True)
        # Under which names its fields may stand on the wire: those read, those written, and the plain ones.
        named = (
            schema,
            kind.model_json_schema(by_alias=True, mode="serialization"),
            kind.model_json_schema(by_alias=False),
        )
        secret = {path for one in named for path in secret_paths(one)}
        if secret and has_alternative_names(kind):
            # A schema names one of them only.
            secret = {()}
        # It may hold what the app put there, which is no JSON.
        return json.loads(json.dumps(without_values(schema))), tuple(sorted(secret))
    except Exception as error:  # noqa: BLE001 — a type of the app's own may raise anything when asked for its schema
        log.warning("payload has no JSON schema: all of it is shown masked", job=job.name, error=str(error))
        return None, ((),)


def _schedule(schedule: Schedule) -> PublishedSchedule:
    timing = schedule.timing
    return PublishedSchedule(
        schedule.id,
        schedule.job.queue,
        schedule.job.name,
        timing.pattern,
        timing.every_s,
        timing.tz,
        timing.offset_s,
        timing.start_at,
        timing.end_at,
        timing.limit,
        schedule.missed,
        schedule.overlap,
    )
