"""One request and how it is answered: links, pages, redirects."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.templating import Jinja2Templates

from barback.control.actions import Progress
from barback.control.audit import Action
from barback.dashboard.control import Control
from barback.dashboard.live import Live
from barback.dashboard.signing_in import Role, User
from barback.dashboard.signing_in.gate import SESSION
from barback.dashboard.templates import environment, fingerprint, template
from barback.inspector import NotRemoved

DID = ("did", "count", "moved", "refused", "why")
"""Parameters that say what was just done. No text of them is ever shown: anybody may make a link."""


@dataclass(frozen=True, slots=True)
class NavItem:
    """A place in the navigation: a route's name, what it is called, its icon. `acts`: only for those who may act."""

    route: str
    label: str
    icon: str
    acts: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What all requests share. `paths`: of each route, by its name. `public_path`: see `create_app`.

    `read_only`: nobody may act.
    """

    control: Control
    live: Live
    paths: Mapping[str, str]
    nav: Sequence[NavItem]
    public_path: str | None = None
    read_only: bool = False


class Visit:
    """One request. Made first of all in each handler: what happens after `began_at` is told to the page."""

    def __init__(self, request: Request) -> None:
        self.began_at = time.time()
        self.request = request
        self.dashboard: Dashboard = request.app.state.dashboard

    # ── what is asked ───────────────────────────────────────────────────────────────────────────────────────────

    @property
    def control(self) -> Control:
        return self.dashboard.control

    @property
    def user(self) -> User | None:
        """Who is signed in; None: nobody was asked."""
        user: User | None = self.request.scope.get("user")
        return user

    @property
    def can_sign_out(self) -> bool:
        """Whether they are known by a session of ours; others are signed in elsewhere, or not at all."""
        return bool(self.request.scope.get(SESSION))

    @property
    def may_act(self) -> bool:
        """Whether buttons are shown; the gate refuses what they would do, too."""
        return self.may("operator")

    def may(self, role: str) -> bool:
        """Whether whoever asks has this role, or a higher one; where nobody is asked who they are, everybody has."""
        needed = Role.of(role)
        return needed is not None and (self.user is None or self.user.may(needed))

    @property
    def may_remove_all(self) -> bool:
        """Whether jobs may be removed that nobody has looked at one by one."""
        return self.may("admin")

    @property
    def who(self) -> str:
        """Who asks; empty: nobody was asked."""
        return "" if self.user is None else self.user.name

    async def record(self, did: str, queue: str, subject: str = "", progress: Progress | None = None) -> None:
        """Write down what was just done: a job's id, a query, a schedule; nothing: the queue itself."""
        count, refused = (progress.done, progress.skipped + progress.failed) if progress is not None else (1, 0)
        await self.control.record(Action(self.who, did, queue, subject, count, refused))

    def query(self, name: str, otherwise: str = "") -> str:
        """A parameter of the address."""
        return self.request.query_params.get(name, otherwise)

    def number(self, name: str, otherwise: int) -> int:
        """A parameter that is a whole number; anything else counts as not given."""
        text = self.query(name)
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else otherwise

    async def form(self) -> dict[str, list[str]]:
        """The fields of a submitted form, which the gate lets be 1 MB.

        :raises HTTPException: 413, it is larger.
        """
        return parse_qs((await self.request.body()).decode("utf-8", "replace"), keep_blank_values=True)

    async def fields(self) -> dict[str, str]:
        """The first value of each field of a submitted form, its lines ended by `\\n` alone, and what its address says.

        What identifies a thing stands in the address: a browser changes control characters in fields.
        """
        typed = {name: values[0].replace("\r\n", "\n") for name, values in (await self.form()).items()}
        return {**self.request.query_params, **typed}

    # ── links ───────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def root(self) -> str:
        """Under which path browsers see us, without a slash at its end."""
        public_path = self.dashboard.public_path
        return (self._root_path if public_path is None else public_path).rstrip("/")

    def url(self, route: str, **query: object) -> str:
        """The address of a route. What identifies a thing is in the query, where any text can stand; None: left out."""
        given = [(name, value) for name, value in query.items() if value is not None]
        return self._address(self.dashboard.paths[route], given)

    def static(self, name: str) -> str:
        """The address of a file: another one when its content is another."""
        return f"{self.root}/static/{name}?v={fingerprint(name)}"

    @property
    def here(self) -> str:
        """The address of this page, to fetch it again; what was just done is not in it.

        Of an action, which must not be done again, it is the overview's.
        """
        if self.request.method != "GET":
            return self.url("overview")
        query = [(name, value) for name, value in self.request.query_params.multi_items() if name not in DID]
        return self._address(self.path, query)

    @property
    def path(self) -> str:
        """This page's path, below our own."""
        return self.request.scope["path"].removeprefix(self._root_path)

    @property
    def _root_path(self) -> str:
        return self.request.scope.get("root_path", "")

    def _address(self, path: str, query: Sequence[tuple[str, object]]) -> str:
        # Never with a slash at its end: Next.js would redirect to the form without.
        # A lone surrogate, which no address can hold, makes a link that leads nowhere, and no page that fails.
        asked = f"?{urlencode(query, errors='backslashreplace')}" if query else ""
        return ((self.root + path).rstrip("/") or "/") + asked

    # ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────

    def page(self, name: str, status: int = 200, *, only: str | None = None, **values: Any) -> Response:
        """The page of this template; for htmx only what lives of it. `only`: it shows this queue and no other."""
        shown = template(name).render(
            frame_of(self),
            layout="fragment.html" if "hx-request" in self.request.headers else "layout.html",
            events=self.url("events", since=f"{self.began_at:.3f}", queue=only),
            **values,
        )
        return HTMLResponse(shown, status, {"Cache-Control": "no-store", "Vary": "HX-Request"})

    def see(self, route: str, did: str | None = None, progress: Progress | None = None, **query: object) -> Response:
        """After an action: what to look at now, and what was done."""
        return RedirectResponse(self.url(route, **query, did=did, **(_told(progress) if progress else {})), 303)


def _told(progress: Progress) -> Mapping[str, object]:
    """In numbers and keys, never in words."""
    why = {reason.refusal if isinstance(reason, NotRemoved) else "error" for _, reason in progress.reasons}
    return {
        "count": progress.done,
        "moved": progress.skipped or None,
        "refused": progress.failed or None,
        "why": " ".join(sorted(why)) or None,
    }


def frame_of(visit: Visit) -> dict[str, Any]:
    """What every template is given."""
    return {"visit": visit, "url": visit.url, "static": visit.static, "may": visit.may}


def sign_in_templates() -> Jinja2Templates:
    """For the sign-in page, in our frame."""
    return Jinja2Templates(env=environment(), context_processors=[lambda request: frame_of(Visit(request))])
