"""What people may do, and who is signed in."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum

from starlette.requests import Request
from starlette.responses import Response

from barback.dashboard.signing_in.refusals import role_too_low

NAME_LIMIT = 200

Endpoint = Callable[[Request], Awaitable[Response]]


class Role(IntEnum):
    """Each may do what those before it may."""

    VIEWER = 1
    """Look at everything that is not secret."""
    OPERATOR = 2
    """Act on jobs and schedules."""
    ADMIN = 3

    @property
    def word(self) -> str:
        """As people write it: `viewer`."""
        return self.name.lower()

    @classmethod
    def of(cls, word: object) -> "Role | None":
        """The role that is written so; None: there is none."""
        return next((role for role in cls if role.word == word), None)


@dataclass(frozen=True, slots=True)
class User:
    """Who is signed in: `request.user`. The name may come from outside; it is printable, and 200 characters at most."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether they have this role, or a higher one."""
        return self.role >= role


def as_name(text: object) -> str | None:
    """A name that can be shown and logged; None: it is none."""
    if not isinstance(text, str) or not 0 < len(text) <= NAME_LIMIT or not text.isprintable() or text != text.strip():
        return None
    return text


def requires(role: Role) -> Callable[[Endpoint], Endpoint]:
    """For a route that asks for more than its method does (`GET`: viewer, any other: operator)."""

    def guard(endpoint: Endpoint) -> Endpoint:
        @functools.wraps(endpoint)
        async def guarded(request: Request) -> Response:
            user: User | None = request.scope.get("user")
            if user is None or not user.may(role):
                return role_too_low(request, role.word)
            return await endpoint(request)

        return guarded

    return guard
