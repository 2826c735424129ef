"""The folder of a client: an ES module package over the team's own `bullmq` and `zod`."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files

from barback.app import AnyApp
from barback.contract.gathering import JobContract, gather
from barback.contract.modules import module, own_types, types_of_module
from barback.contract.names import package_name, quoted

HEADER = "// Written by `barback typescript` from the jobs' declarations in Python: change those, and write it anew.\n"
BULLMQ, ZOD = ">=5.81 <7", "^4.2.0"
RUNTIME = ("adding", "client", "declared", "enqueued", "ids", "values", "worker")
"""What all clients share: the modules beside `runtime/client.ts`."""


def package(app: AnyApp, name: str | None = None) -> dict[str, str]:
    """Texts by path. `name`: of the package; None: that of the app as npm takes it, and `-jobs`.

    The same app gives the same texts.

    :raises DeclarationError: a payload cannot be said in TypeScript; names the job.
    """
    jobs = gather(app)
    made = {
        "package.json": _manifest(name or package_name(app.name)),
        "index.js": _index(jobs),
        "index.d.ts": _types(jobs),
    }
    made["jobs.js"] = made["jobs.d.ts"] = _all(jobs)
    for job in jobs:
        made[f"jobs/{job.file}.js"] = module(job)
        made[f"jobs/{job.file}.d.ts"] = types_of_module(job)
    runtime = files("barback.contract") / "runtime"
    shared = [name + ending for name in RUNTIME for ending in (".d.ts", ".js")]
    made |= {file: (runtime / file).read_text("utf-8") for file in shared}
    return {path: text if path == "package.json" else HEADER + text for path, text in sorted(made.items())}


def _manifest(name: str) -> str:
    def both(path: str) -> Mapping[str, str]:
        return {"types": f"./{path}.d.ts", "default": f"./{path}.js"}

    manifest = {
        "name": name,
        "version": "0.0.0",
        "private": True,
        "type": "module",
        "sideEffects": False,
        "exports": {".": both("index"), "./jobs": both("jobs"), "./jobs/*": both("jobs/*")},
        "peerDependencies": {"bullmq": BULLMQ, "zod": ZOD},
    }
    return json.dumps(manifest, indent=2) + "\n"


def _index(jobs: Sequence[JobContract]) -> str:
    names = "".join(f"  {quoted(job.name)},\n" for job in jobs)
    return f'export * from "./client.js";\nexport * from "./jobs.js";\n\nexport const JOB_NAMES = [\n{names}];\n'


def _types(jobs: Sequence[JobContract]) -> str:
    """Types of one name in two jobs are taken from the jobs' own modules."""
    how_many = Counter(name for job in jobs for name in own_types(job))
    taken = {job.const for job in jobs}
    lines = ['export * from "./client.js";\n', 'export * from "./jobs.js";\n']
    for job in jobs:
        names = [name for name in own_types(job) if how_many[name] == 1 and name not in taken]
        if names:
            lines.append(f'export type {{ {", ".join(names)} }} from "./jobs/{job.file}.js";\n')
    names = "".join(f"  {quoted(job.name)},\n" for job in jobs)
    doc = "/** The names of all jobs, as they are on the wire. */\n"
    return f"{''.join(lines)}\n{doc}export declare const JOB_NAMES: readonly [\n{names}];\n" + (
        "export type JobName = (typeof JOB_NAMES)[number];\n"
    )


def _all(jobs: Sequence[JobContract]) -> str:
    return "".join(f'export {{ {job.const} }} from "./jobs/{job.file}.js";\n' for job in jobs)
