"""Which jobs a page or an action is about, as its address or form says: a queue, a state, a query, a failure group."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from starlette.exceptions import HTTPException

from barback.board import Board
from barback.broker import LISTED_STATES, JobRecord, ListedState
from barback.control.actions import Matching
from barback.control.failures import Fingerprint
from barback.control.query import Query, QueryError, parse
from barback.control.search import Listing
from barback.control.secrets import secrets_of
from barback.inspector import Target


@dataclass(frozen=True, slots=True)
class Asked:
    """`text` is the query as it was typed."""

    queue: str
    state: ListedState
    text: str = ""
    fingerprint: Fingerprint | None = None

    @property
    def query(self) -> Query | QueryError:
        return parse(self.text)

    @property
    def wrong(self) -> QueryError | None:
        """What is wrong with the query."""
        query = self.query
        return query if isinstance(query, QueryError) else None

    async def matching(self, board: Board) -> Matching:
        """What is declared secret is not searched.

        :raises HTTPException: the query is wrong; nothing is done with one that cannot be read."""
        query = self.query
        if isinstance(query, QueryError):
            raise HTTPException(400)
        listing = Listing(self.queue, self.state, query, await secrets_of(board, self.queue))
        return Matching(listing, self.fingerprint)

    @property
    def address(self) -> Mapping[str, str]:
        """What leads here again: parameters of an address, or hidden fields of a form."""
        of = self.fingerprint
        group = {} if of is None else {"type": of.type, "place": of.place, "shape": of.shape}
        return {"queue": self.queue, "state": self.state} | ({"q": self.text} if self.text else {}) | group

    @property
    def subject(self) -> str:
        """As the audit log says it."""
        of = self.fingerprint
        group = "" if of is None else f"like {': '.join(part for part in (of.type, of.shape) if part)} at {of.place}"
        return " ".join(part for part in (f"all {self.state}", self.text, group) if part)


def read(given: Callable[[str], str | None]) -> Asked:
    """From a parameter's name to its value; None: not given.

    :raises HTTPException: there is no such state.
    """
    group = [given(part) for part in ("type", "place", "shape")]
    fingerprint = None if None in group else Fingerprint(*(part or "" for part in group))
    return Asked(given("queue") or "", state_of(given("state") or "waiting"), (given("q") or "").strip(), fingerprint)


def state_of(text: str) -> ListedState:
    """:raises HTTPException: there is no such state."""
    if text not in LISTED_STATES:
        raise HTTPException(404)
    return text


def target_text(job: JobRecord) -> str:
    """A job as a form carries it: when it finished, if it did, and its id, to the letter whatever is in it."""
    return f"{'' if job.finished_at is None else repr(job.finished_at)}/{quote(job.id, safe='')}"


def read_target(text: str) -> Target:
    """What `target_text` made.

    :raises HTTPException: 400, it did not.
    """
    finished, _, job_id = text.partition("/")
    try:
        return Target(unquote(job_id, errors="strict"), float(finished) if finished else None)
    except ValueError:
        raise HTTPException(400) from None
