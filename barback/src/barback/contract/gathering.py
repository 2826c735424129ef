"""What a contract is made of: all that TypeScript has to know of each job."""

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from barback.app import AnyApp
from barback.bullmq.codec import bullmq_options
from barback.contract.forms import REF
from barback.contract.names import file_name, type_name, value_name
from barback.errors import DeclarationError
from barback.handlers import read_result_type
from barback.job import AnyJob
from barback.options import JobOptions
from barback.payload import Payload
from barback.payload_schema import Mode, Schema, schema_hash, wire_schemas

Unique = Literal["no", "key", "told"]
"""By nothing, by fields, by code of Python's alone."""


@dataclass(frozen=True, slots=True)
class KeyField:
    """A part of the key that a job is unique by. `default`: what it is if it is left out; `lower`: it is a UUID."""

    name: str
    default: Any
    lower: bool


@dataclass(frozen=True, slots=True)
class JobContract:
    """One job. `definitions` are in the order in which they can be written; `types`: their names in TypeScript."""

    name: str
    former_names: tuple[str, ...]
    queue: str
    external: bool
    doc: str
    file: str
    const: str
    schema_hash: str
    options: Mapping[str, Any]
    payload: Schema
    result: Schema
    unique: Unique
    key: tuple[KeyField, ...]
    definitions: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
    types: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def payload_name(self) -> str:
        return self.types[self.payload["$ref"].removeprefix(REF)]


def gather(app: AnyApp) -> list[JobContract]:
    """The jobs of an app, in the order of their names.

    :raises DeclarationError: a payload has no JSON Schema, or what it may be cannot be said in JavaScript.
    """
    files: set[str] = set()
    consts: set[str] = set()
    found: list[JobContract] = []
    alone = _only_jobs_of_their_modules(app)
    for job in sorted(app.registry.jobs, key=lambda job: job.name):
        contract = _gather(job, file_name(job.name, files), value_name(job.name, consts), job in alone)
        files.add(contract.file)
        consts.add(contract.const)
        found.append(contract)
    return found


def references(part: Any) -> Iterator[str]:
    """The names of the definitions that a schema refers to."""
    if isinstance(part, Mapping):
        for key, value in cast("Mapping[str, Any]", part).items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(REF)
            elif key not in ("mapping", "default", "const", "enum", "examples"):
                yield from references(value)
    elif isinstance(part, list):
        for one in cast("list[Any]", part):
            yield from references(one)


def _gather(job: AnyJob, file: str, const: str, is_alone: bool) -> JobContract:
    kind: type[Payload] = job.payload_type
    payload, result, definitions = _schemas(job)
    definitions = _with_required_tags(definitions)
    ordered = _ordered(definitions, [payload, result])
    types: dict[str, str] = {}
    for name in ordered:
        types[name] = type_name(name, types.values())
    unique, key = _unique(job, definitions[payload["$ref"].removeprefix(REF)])
    return JobContract(
        job.name,
        job.former_names,
        job.queue,
        job.external,
        _doc(job, is_alone),
        file,
        const,
        schema_hash(kind),
        _options(job.options),
        payload,
        result,
        unique,
        key,
        {name: definitions[name] for name in ordered},
        types,
    )


def _schemas(job: AnyJob) -> tuple[Schema, Schema, dict[str, Schema]]:
    # A payload of Python's, read in TypeScript, has all its defaults filled in.
    mode: Mode = "serialization" if job.external else "validation"
    asked: dict[str, tuple[Any, Mode]] = {"payload": (job.payload_type, mode)}
    result = read_result_type(job.name, job.handler)
    try:
        found, definitions = wire_schemas({**asked, "result": (result, "serialization")})
    except Exception:  # noqa: BLE001 — pydantic raises errors of many kinds, and validators of the app's any
        found, definitions = _payload_alone(job, asked)
    payload = found["payload"]
    if "$ref" not in payload:
        name = job.payload_type.__name__
        payload, definitions = {"$ref": REF + name}, {**definitions, name: payload}
    return payload, found.get("result", {}), definitions


def _payload_alone(job: AnyJob, asked: Mapping[str, tuple[Any, Mode]]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Of a result without a schema nothing is known; without one of its payload a job cannot be enqueued."""
    try:
        return wire_schemas(asked)
    except Exception as error:
        raise DeclarationError(f"Job '{job.name}': its payload has no JSON Schema: {error}") from error


def _options(options: JobOptions) -> dict[str, Any]:
    usual = {"delay": 0}
    return {name: value for name, value in bullmq_options(options).items() if usual.get(name) != value}


# ── definitions ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _ordered(definitions: Mapping[str, Schema], roots: Sequence[Schema]) -> list[str]:
    """Those that are needed, each after those it refers to; but for those that refer to each other."""
    done: dict[str, None] = {}
    begun: set[str] = set()

    def visit(schema: Schema) -> None:
        for name in references(schema):
            if name not in begun:
                begun.add(name)
                visit(definitions[name])
                done[name] = None

    for root in roots:
        visit(root)
    return list(done)


def _with_required_tags(definitions: Mapping[str, Schema]) -> dict[str, Schema]:
    """The tag of a union must be there for pydantic, though the field has a default."""
    tags = {
        (ref.removeprefix(REF), union["discriminator"]["propertyName"])
        for schema in definitions.values()
        for union in _unions(schema)
        for ref in union["discriminator"]["mapping"].values()
        if isinstance(ref, str)
    }
    fixed = dict(definitions)
    for name, tag in sorted(tags):
        schema = fixed.get(name, {})
        if tag in schema.get("properties", {}):
            fixed[name] = {**schema, "required": sorted({*schema.get("required", ()), tag})}
    return fixed


def _unions(part: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, Mapping):
        one = cast("Mapping[str, Any]", part)
        if isinstance(one.get("discriminator"), Mapping):
            yield one
        for value in one.values():
            yield from _unions(value)
    elif isinstance(part, list):
        for one in cast("list[Any]", part):
            yield from _unions(one)


# ── the key ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _unique(job: AnyJob, schema: Schema) -> tuple[Unique, tuple[KeyField, ...]]:
    kind: type[Payload] = job.payload_type
    if job.options.deduplicate is not None:
        return "no", ()
    if kind.unique is not Payload.unique:
        return "told", ()
    fields = [_key_field(kind, name, schema) for name in kind.unique_by]
    if any(one is None for one in fields):
        return "told", ()
    return ("key" if fields else "no"), tuple(one for one in fields if one is not None)


def _key_field(kind: type[Payload], name: str, schema: Schema) -> KeyField | None:
    """None: JavaScript might write its value otherwise than Python."""
    info = kind.model_fields[name]
    alias = info.validation_alias or info.alias
    wire_name = alias if isinstance(alias, str) else name
    declared = schema.get("properties", {}).get(wire_name)
    if declared is None or (wire_name not in schema.get("required", ()) and "default" not in declared):
        return None
    kinds = set(_scalars(declared))
    if not kinds <= {"string", "uuid", "integer", "boolean", "null"}:
        return None
    return KeyField(wire_name, declared.get("default"), "uuid" in kinds)


def _scalars(schema: Schema) -> Iterator[str]:
    for one in schema.get("anyOf", [schema]):
        kind, form = one.get("type"), one.get("format")
        yield "uuid" if (kind, form) == ("string", "uuid") else "other" if form or not kind else str(kind)


# ── texts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _doc(job: AnyJob, is_alone: bool) -> str:
    """Of the handler, else the first paragraph of the module that declares no other job."""
    doc = inspect.getdoc(job.handler)
    if doc is None and is_alone:
        doc = inspect.cleandoc(sys.modules[job.handler.__module__].__doc__ or "").partition("\n\n")[0]
    return doc or ""


def _only_jobs_of_their_modules(app: AnyApp) -> set[AnyJob]:
    modules = [job.handler.__module__ for job in app.registry.jobs]
    return {job for job in app.registry.jobs if modules.count(job.handler.__module__) == 1}
