"""The module of one job: its checks and its declaration in JavaScript, its types beside it."""

import json
import re
from collections.abc import Mapping
from typing import Any

from barback.contract.checks import Checks
from barback.contract.forms import referred
from barback.contract.gathering import JobContract
from barback.contract.names import field_name, quoted
from barback.contract.types import comment, declaration, type_of


def module(job: JobContract) -> str:
    """`jobs/<file>.js`.

    :raises DeclarationError: what a payload may be cannot be said in JavaScript.
    """
    checks = Checks(job.name, job.types, fills_in=job.external)
    definitions = "\n".join(checks.definition(name, schema) for name, schema in job.checks.items())
    imports = 'import * as z from "zod";\n'
    if checks.imports:
        imports += f'import {{ {", ".join(sorted(checks.imports))} }} from "../values.js";\n'
    declared = [
        f"  name: {quoted(job.name)},",
        f"  formerNames: {quoted(list(job.former_names))},",
        f"  queue: {quoted(job.queue)},",
        f"  schemaHash: {quoted(job.schema_hash)},",
        f"  payload: {job.types[job.checked]},",
        f"  options: {_indented(job.options)},",
        f"  unique: {quoted(job.unique)},",
        *([f"  key: {_key(job)},"] if job.key else []),
        *(["  external: true,"] if job.external else []),
    ]
    return f"{imports}\n{definitions}\nexport const {job.const} = {{\n" + "\n".join(declared) + "\n};\n"


def types_of_module(job: JobContract) -> str:
    """`jobs/<file>.d.ts`."""
    kind = "ExternalJob" if job.external else "DeclaredJob"
    definitions = [declaration(job.types[name], schema, job.types) for name, schema in job.definitions.items()]
    result = type_of(job.result, job.types)
    parts = [
        f'import type {{ {kind} }} from "../client.js";\n',
        *definitions,
        f"{comment(job.doc)}export declare const {job.const}: "
        f"{kind}<{job.payload_name}, {result}, {quoted(job.unique)}>;\n",
    ]
    return "\n".join(parts)


def own_types(job: JobContract) -> list[str]:
    """The types of its payload and its result."""
    names = [job.payload_name]
    if "$ref" not in job.result:
        return names
    return list(dict.fromkeys([*names, job.types[referred(job.result)]]))


def _key(job: JobContract) -> str:
    parts: list[str] = []
    for one in job.key:
        value = f"sent.{one.name}" if field_name(one.name) == one.name else f"sent[{quoted(one.name)}]"
        # What is left out is filled in by Python; JSON writes null for it by itself.
        if one.default is not None:
            value = f"({value} === undefined ? {quoted(one.default)} : {value})"
        parts.append(f"{value}?.toLowerCase()" if one.lower else value)
    return f"(sent) => JSON.stringify([{', '.join(parts)}])"


def _indented(options: Mapping[str, Any]) -> str:
    """JSON, but with keys as people write them."""
    first, *others = json.dumps(options, indent=2, ensure_ascii=False).splitlines()
    return "\n".join([first, *(re.sub(r'^( *)"(\w+)": ', r"\1\2: ", f"  {line}") for line in others)])
