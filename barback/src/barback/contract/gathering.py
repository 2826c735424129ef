"""What a contract is made of: all that TypeScript has to know of each job."""

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import AliasChoices

from barback.app import AnyApp
from barback.bullmq.codec import bullmq_options
from barback.contract.forms import REF, referred, subschemas
from barback.contract.names import file_name, type_name, value_name
from barback.errors import DeclarationError
from barback.handlers import read_result_type
from barback.job import AnyJob
from barback.options import JobOptions
from barback.payload import Payload
from barback.payload_schema import Mode, Schema, schema_hash, wire_schemas
from barback.payload_traits import has_alternative_names

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
    """One job.

    `definitions`: of its types, in the order in which they can be written. `checks`: the same of what is checked, of
    which `checked` is the payload's; for an external job that is what may be written, where its types say what is read.
    `types`: the names of all of them in TypeScript.
    """

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
    definitions: Mapping[str, Schema]
    checks: Mapping[str, Schema]
    checked: str
    types: Mapping[str, str]

    @property
    def payload_name(self) -> str:
        return self.types[referred(self.payload)]


def gather(app: AnyApp) -> list[JobContract]:
    """The jobs of an app, in the order of their names.

    :raises DeclarationError: a payload has no JSON Schema, or what it may be cannot be said in JavaScript; two jobs
        have one name there.
    """
    found: dict[str, JobContract] = {}
    alone = _only_jobs_of_their_modules(app)
    for job in sorted(app.registry.jobs, key=lambda job: job.name):
        const = value_name(job.name)
        if const in found:
            # A number behind one of them would move to another job when a third is added.
            raise DeclarationError(f"Jobs '{found[const].name}' and '{job.name}' would both be `{const}`: rename one.")
        found[const] = _gather(job, file_name(job.name, [one.file for one in found.values()]), const, job in alone)
    return list(found.values())


def references(schema: Any) -> Iterator[str]:
    """The names of the definitions that a schema refers to."""
    return (referred(one) for one in subschemas(schema) if "$ref" in one)


def _gather(job: AnyJob, file: str, const: str, is_alone: bool) -> JobContract:
    kind: type[Payload] = job.payload_type
    # A payload of Python's, read in TypeScript, has all its defaults filled in.
    payload, result, definitions = _schemas(job, "serialization" if job.external else "validation")
    definitions = _ordered(_with_required_tags(definitions), [payload, result])
    written, checks = _what_may_be_written(job) if job.external else (payload, _ordered(definitions, [payload]))
    types: dict[str, str] = {}
    for name in {**definitions, **checks}:
        types[name] = type_name(name, {*types.values(), const})
    unique, key = _unique(job, definitions[referred(payload)])
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
        definitions,
        checks,
        referred(written),
        types,
    )


def _schemas(job: AnyJob, mode: Mode) -> tuple[Schema, Schema, dict[str, Schema]]:
    """Of its payload, its result, and of all that they refer to."""
    try:
        result = read_result_type(job.name, job.handler), "serialization"
        found, definitions = wire_schemas({"payload": (job.payload_type, mode), "result": result})
    except Exception:  # noqa: BLE001 — pydantic raises errors of many kinds, and validators of the app's any
        # Of a result without a schema nothing is known; without one of its payload a job cannot be enqueued.
        payload, definitions = _payload_schema(job, mode)
        return payload, {}, definitions
    payload, definitions = _named(job, found["payload"], definitions)
    return payload, found["result"], definitions


def _payload_schema(job: AnyJob, mode: Mode) -> tuple[Schema, dict[str, Schema]]:
    try:
        found, definitions = wire_schemas({"payload": (job.payload_type, mode)})
    except Exception as error:
        raise DeclarationError(f"Job '{job.name}': its payload has no JSON Schema: {error}") from error
    return _named(job, found["payload"], definitions)


def _named(job: AnyJob, payload: Schema, definitions: dict[str, Schema]) -> tuple[Schema, dict[str, Schema]]:
    """The payload as a reference to a definition, as pydantic mostly has it."""
    if "$ref" in payload:
        return payload, definitions
    name = job.payload_type.__name__
    return {"$ref": REF + name}, {**definitions, name: payload}


def _what_may_be_written(job: AnyJob) -> tuple[Schema, dict[str, Schema]]:
    if has_alternative_names(job.payload_type):
        raise DeclarationError(
            f"Job '{job.name}' is external, and a field of its payload has several names (AliasChoices, AliasPath): "
            "TypeScript reads one alone. Give it one, and keep the old field beside it while jobs wait."
        )
    payload, definitions = _payload_schema(job, "validation")
    return payload, _ordered(_with_required_tags(definitions), [payload])


def _options(options: JobOptions) -> dict[str, Any]:
    usual = {"delay": 0}
    return {name: value for name, value in bullmq_options(options).items() if usual.get(name) != value}


# ── definitions ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _ordered(definitions: Mapping[str, Schema], roots: Sequence[Schema]) -> dict[str, Schema]:
    """Those that are needed, each after those it refers to; but for those that refer to each other."""
    done: dict[str, Schema] = {}
    begun: set[str] = set()

    def visit(schema: Schema) -> None:
        for name in references(schema):
            if name not in begun:
                begun.add(name)
                visit(definitions[name])
                done[name] = definitions[name]

    for root in roots:
        visit(root)
    return done


def _with_required_tags(definitions: Mapping[str, Schema]) -> dict[str, Schema]:
    """The tag of a union must be there for pydantic, though the field has a default."""
    tags = {
        (ref.removeprefix(REF), union["discriminator"]["propertyName"])
        for schema in definitions.values()
        for union in subschemas(schema)
        if "discriminator" in union
        for ref in union["discriminator"]["mapping"].values()
        if isinstance(ref, str)
    }
    fixed = dict(definitions)
    for name, tag in sorted(tags):
        schema = fixed.get(name, {})
        if tag in schema.get("properties", {}):
            fixed[name] = {**schema, "required": sorted({*schema.get("required", ()), tag})}
    return fixed


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
    # Of several the first, as in the schema.
    first = alias.choices[0] if isinstance(alias, AliasChoices) else alias
    wire_name = first if isinstance(first, str) else name
    declared = schema.get("properties", {}).get(wire_name)
    if declared is None or (wire_name not in schema.get("required", ()) and "default" not in declared):
        return None
    kinds = set(_scalars(declared))
    # Of a UUID Python writes small letters; of a text that might be one nobody knows.
    is_uuid = kinds <= {"uuid", "null"}
    if not is_uuid and not kinds <= {"string", "integer", "boolean", "null"}:
        return None
    return KeyField(wire_name, declared.get("default"), is_uuid)


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
