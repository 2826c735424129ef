"""Texts that would act, move, hide or break something, if a page let them; and a queue in which every field is one."""

import json
from collections.abc import Mapping

from barback.broker import Failed, Lease, NewJob, Settlement
from barback.bullmq import BullMQBroker
from barback.options import JobOptions

SCRIPT = "<script>alert('stolen')</script><img src=x onerror=alert(1)>"
TEXTS: Mapping[str, str] = {
    "script": SCRIPT,
    "attribute": '"\'><svg onload=alert(1)> autofocus onfocus=alert(1) x="',
    "htmx": '<div hx-get="/steal" hx-trigger="load" hx-on:load="alert(1)" data-hx-get="/steal">',
    "template": "{{ 7 * 7 }}{% raise %}${alert(1)}",
    "directions": "\u202eexe.gpj\u2066\u2029\x00\x1b[31m\x9b",
    "entities": "&lt;script&gt; &#0; ]]> <!-- --> </textarea></title></pre>",
}


async def fill(broker: BullMQBroker, queue: str) -> None:
    """A job that failed for each text, with it in every place that a page shows."""
    for name, text in TEXTS.items():
        options = JobOptions(job_id=id_of(name), attempts=3)
        await broker.add([NewJob(queue, text.replace("\x00", ""), json.dumps({text: [text, {"": text}]}), options)])
    lease = Lease("w", 60.0)
    for job in (await broker.exchange(queue, [], len(TEXTS), lease)).jobs:
        text = next(text for name, text in TEXTS.items() if job.id == id_of(name))
        await broker.set_progress(queue, job.id, json.dumps({"step": text}))
        await broker.add_log(queue, job.id, text, 10)
        stack = f"Traceback:\n  {text}\nValueError: {text}"
        await broker.exchange(queue, [Settlement(job, Failed(text, stack))], 0, lease)


def id_of(name: str) -> str:
    """What BullMQ takes as an id: no colon, no control characters."""
    return f"{name} {TEXTS[name]}".replace(":", ";") if name in ("script", "attribute", "htmx", "template") else name
