"""An app whose jobs hold a secret and fail in every way, for the test of canaries."""

import os
from typing import Annotated

from barback import App, Context, Payload, Secret, Unrecoverable, job, no_services

QUEUE = "canaries"


class Sung(Payload, frozen=True):
    token: Annotated[str, Secret()]


@job("on-loop", queue=QUEUE)
async def on_loop(payload: Sung, ctx: Context[None]) -> None:
    token = payload.token
    await ctx.log("about to call")
    raise ValueError(f"no answer within {len(token)} s")


@job("in-thread", queue=QUEUE)
def in_thread(payload: Sung, ctx: Context[None]) -> None:
    token = payload.token
    raise Unrecoverable(f"refused after {len(token)} bytes")


@job("in-process", queue=QUEUE, runs_in="process")
def in_process(payload: Sung, ctx: Context[None]) -> None:
    token = payload.token
    raise LookupError(f"none of {len(token)}")


@job("in-dying-process", queue=QUEUE, runs_in="process")
def in_dying_process(payload: Sung, ctx: Context[None]) -> None:
    os._exit(len(payload.token))


@job("overrunning", queue=QUEUE, timeout_s=0.05)
async def overrunning(payload: Sung, ctx: Context[None]) -> None:
    import asyncio

    await asyncio.sleep(60)


JOBS = (on_loop, in_thread, in_process, in_dying_process, overrunning)
app = App(jobs=JOBS, services=no_services, name="canaries")
