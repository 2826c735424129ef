"""The texts of a new job. Pure. They pass ruff and pyright strict, and the test passes, as they are written."""

import json
from dataclasses import dataclass

LONGEST_LINE = 88
"""Longer ones are broken, with a comma last: formatters of any width leave them so."""


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers are given: a class of that name in that module."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is to be written.

    `package`: that of its module. `services` None: nothing is given to it. `in_workspace`: barback is one of the
    project's own packages, and its imports stand with those of the app.
    """

    name: str
    queue: str
    package: str
    services: Services | None = None
    in_workspace: bool = False

    @property
    def module(self) -> str:
        """`send_receipt`: of the file, and of the job in it."""
        return self.name.replace("-", "_")

    @property
    def payload(self) -> str:
        """`SendReceipt`."""
        return "".join(word.capitalize() for word in self.name.split("-"))

    @property
    def import_line(self) -> str:
        """What brings the job into another module."""
        return f"from {self.package}.{self.module} import {self.module}"


def job_text(job: NewJob) -> str:
    """Of its file."""
    services = job.services
    imports = _imports(job, "from barback import Context, Payload, job", *_of_services(services))
    decorator = _call("@job", json.dumps(job.name), f"queue={_quoted(job.queue)}", "attempts=3", "timeout_s=60")
    given = f"ctx: Context[{services.name if services else None}]"
    handler = _call(f"async def {job.module}", f"payload: {job.payload}", given, end=" -> None:")
    return f'''"""Job {job.name}: say here what it does."""

{imports}


class {job.payload}(Payload, frozen=True):
    """What it is given. Fields are snake_case here and camelCase on the wire: `order_id: int`."""


{decorator}
{handler}
    await ctx.progress(100)
'''


def test_text(job: NewJob) -> str:
    """Of its test's file."""
    services = job.services
    names = sorted([job.payload, job.module], key=lambda name: (name.islower(), name))
    imported = f"from {job.package}.{job.module} import {', '.join(names)}"
    if len(imported) > LONGEST_LINE:
        imported = "\n".join([f"from {job.package}.{job.module} import (", *(f"    {it}," for it in names), ")"])
    typing = "from typing import cast\n" if services else ""
    imports = _imports(job, "from barback.testing import make_context", imported, *_of_services(services))
    # What the job does not ask of its services yet need not be there.
    given = f'cast("{services.name}", None)' if services else "None"
    hint = "  # until it asks something of them\n" if services else "\n"
    return f'''"""Job {job.name}, called as the function it is."""

import asyncio
{typing}
{imports}


def test_it_says_when_it_is_done() -> None:
    ctx = make_context({given}){hint}    payload = {job.payload}()
    asyncio.run({job.module}(payload, ctx))
    assert ctx.reports == [100]
'''


def schedule_text(job: NewJob, pattern: str, tz: str) -> str:
    """What stands in the app's `schedules`."""
    return f"Schedule({_quoted(job.name)}, {job.module}, {_quoted(pattern)}, tz={_quoted(tz)})"


def _of_services(services: Services | None) -> list[str]:
    return [f"from {services.module} import {services.name}"] if services else []


def _imports(job: NewJob, of_barback: str, *of_app: str) -> str:
    """Sorted, in one section or in two."""
    if job.in_workspace:
        return "\n".join(sorted([of_barback, *of_app]))
    return "\n".join([of_barback, *([""] if of_app else []), *sorted(of_app)])


def _call(function: str, *arguments: str, end: str = "") -> str:
    line = f"{function}({', '.join(arguments)}){end}"
    if len(line) <= LONGEST_LINE:
        return line
    return "\n".join([f"{function}(", *(f"    {argument}," for argument in arguments), f"){end}"])


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
