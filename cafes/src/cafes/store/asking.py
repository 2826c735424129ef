"""One request over HTTP, asked again while that may help and can do no harm."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import httpx

from cafes.store.troubles import Trouble, trouble_of_answer, trouble_of_error

AnswerT = TypeVar("AnswerT")

TRIES = 4
NO_CONTENT = 204
"""What a function says that returns nothing."""
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0
"""Asked to wait longer, the store gives up: its job is put off, and something else runs meanwhile."""


class Refused(Exception):
    """An answer that is none. Never leaves this room."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.says)
        self.trouble = trouble


class NothingSaid(Exception):
    """The answer of a function that returns nothing. Never leaves this room, either."""


class Unanswered(Exception):
    """It was asked as often as it may be."""

    def __init__(self, trouble: Trouble, tries: int) -> None:
        super().__init__(trouble.says)
        self.trouble = trouble
        self.tries = tries


async def ask(request: Callable[[], Awaitable[AnswerT]], *, repeatable: bool) -> AnswerT:
    """The answer. Not `repeatable`: asked again only if it is certain that nothing was written.

    :raises Unanswered: there is none.
    """
    tries = 1
    while True:
        try:
            return await request()
        except Refused as refused:
            trouble = refused.trouble
        except httpx.RequestError as error:
            trouble = trouble_of_error(error)
        after_s = wait_s(trouble, tries, repeatable, random.random())  # noqa: S311 — no secret
        if after_s is None:
            raise Unanswered(trouble, tries)
        await asyncio.sleep(after_s)
        tries += 1


def wait_s(trouble: Trouble, tries: int, repeatable: bool, draw: float) -> float | None:
    """Seconds until the next try after so many; None: no more. `draw` in [0, 1) draws the jitter.

    Doubled each time, and between half and all of that: those whom one outage met do not come back together. As long as
    the server asked for, and up to half as long again for the same reason.
    """
    if tries >= TRIES or not trouble.passes or not (repeatable or trouble.undone):
        return None
    if trouble.retry_after_s is not None:
        if trouble.retry_after_s > LONGEST_WAIT_S:
            return None
        return max(trouble.retry_after_s, FIRST_WAIT_S) * (1 + draw / 2)
    return min(FIRST_WAIT_S * 2 ** (tries - 1), LONGEST_WAIT_S) * (1 - draw / 2)


async def refuse(response: httpx.Response) -> None:
    """For httpx's hooks: makes every answer that is none a `Refused`, and one without content a `NothingSaid`.

    Not left to supabase-py, whose error knows neither status nor headers of what it raises for, and which takes for an
    answer whatever came with a good status.
    """
    await response.aread()
    said, is_json = _json(response)
    if response.is_success and is_json:
        return
    if response.status_code == NO_CONTENT:
        raise NothingSaid
    named = cast("dict[str, Any]", said) if isinstance(said, dict) else None
    raise Refused(trouble_of_answer(response.status_code, response.headers, named))


def _json(response: httpx.Response) -> tuple[Any, bool]:
    """What it says, and whether it is JSON, as it says that it is."""
    if not response.headers.get("content-type", "").partition(";")[0].strip().endswith("json"):
        return None, False
    try:
        return response.json(), True
    except ValueError:
        return None, False
