"""An app whose payloads hold all that JSON Schema can say of pydantic's types, and all that goes wrong there."""

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NaiveDatetime, StringConstraints
from pydantic.alias_generators import to_camel

from barback import App, Context, Deduplication, Exponential, Payload, Retention, job, no_services

ItemT = TypeVar("ItemT")

SAFE = Annotated[int, Field(ge=-(2**53) + 1, le=2**53 - 1)]


class Colour(Enum):
    """Of a cup."""

    RED = "red"
    DARK_GREEN = "dark-green"


class Level(IntEnum):
    LOW = 1
    HIGH = 10


class Model(BaseModel, frozen=True):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True, extra="forbid")


class Cash(Model, frozen=True):
    kind: Literal["cash"] = "cash"
    given: Decimal = Field(ge=0, max_digits=12, decimal_places=2)


class Card(Model, frozen=True):
    kind: Literal["card"] = "card"
    last_digits: str = Field(pattern=r"^[0-9]{4}$")


class Split(Model, frozen=True):
    """Paid in parts, each of which may be split again."""

    kind: Literal["split"] = "split"
    parts: tuple["Payment", ...] = Field(max_length=3)


Payment = Annotated[Cash | Card | Split, Field(discriminator="kind")]


class Comment(Model, frozen=True):
    """A thread; */ ends no comment here."""

    text: str = Field(min_length=1, max_length=20, description="What was said.")
    replies: list["Comment"] = Field(default_factory=list["Comment"], max_length=2)


class Page(Model, Generic[ItemT], frozen=True):
    items: tuple[ItemT, ...] = Field(max_length=3)
    next_page: str | None = None


class Date(Model, frozen=True):
    """Named as what JavaScript has already."""

    date: date


class Loose(Model, frozen=True):
    model_config = ConfigDict(extra="allow")

    known: int = 1


class Scalars(Payload, frozen=True):
    """One of each."""

    flag: bool
    whole: SAFE
    small: int = Field(default=3, gt=0, lt=100, multiple_of=3)
    real: float
    bounded: float = Field(default=0.5, ge=0, le=1)
    text: str
    bounded_text: str = Field(default="ab", min_length=2, max_length=5)
    digits: str = Field(default="1", pattern=r"^\d+$")
    id: UUID
    day: date
    clock: time
    moment: datetime
    span: timedelta
    price: Decimal
    colour: Colour = Colour.RED
    level: Level
    size: Literal["s", "m", "l", "xl", 1, 2, True, None]
    nothing: None = None
    default: str = "a keyword"
    class_: str = Field(default="x", alias="class")
    odd_name: str = Field(default="y", alias="odd-name")


class Nested(Payload, frozen=True):
    """Of the others."""

    payment: Payment
    thread: Comment
    threads: Page[Comment]
    numbers: Page[SAFE]
    maybe: Comment | None
    optional: str | None = None
    either: SAFE | str | None
    pair: tuple[SAFE, str]
    open_pair: tuple[str, ...] = ()
    fixed: tuple[bool, Literal["x"]] = (True, "x")
    by_name: dict[str, Comment]
    by_colour: dict[Colour, SAFE]
    few: dict[str, SAFE] = Field(default_factory=dict[str, SAFE], max_length=2)
    unique_ones: frozenset[SAFE] = frozenset()
    on: Date
    loose: Loose = Loose()
    anything: Any = None
    matrix: list[list[float]] = Field(default_factory=list[list[float]], max_length=2)


class Words(Payload, frozen=True):
    """A literal with many members, and long ones."""

    word: Literal[
        "a quick brown fox jumps over the lazy dog 1", "a quick brown fox jumps over the lazy dog 2", "back\\slash",
        'quo"te', "new\nline", "\u2028", "💥", "*/", "${x}", "`", "</script>", "",
    ]  # fmt: skip
    number: Literal[9007199254740991, -9007199254740991, 0]


class Short(BaseModel, frozen=True):
    """The first form that fits what is one of the next, too."""

    a: int


class Long(Short, frozen=True):
    b: int | None = None


class Rough(Payload, frozen=True):
    """What JavaScript would check otherwise than Python."""

    form: Short | Long
    padded: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=3)]
    flagged: str = Field(pattern=re.compile("^abc$", re.IGNORECASE))
    raw: bytes = Field(max_length=4)
    few: frozenset[SAFE] = Field(max_length=2)
    naive: NaiveDatetime
    aware: AwareDatetime


class Named(Payload, frozen=True):
    """Fields named as JSON Schema's own words, and entries whose names have a form."""

    mapping: Comment
    default: Comment | None = None
    const: Comment | None = None
    enum: tuple[Comment, ...] = ()
    discriminator: str
    properties: Payment
    by_id: dict[UUID, SAFE]
    by_moment: dict[datetime, SAFE] = Field(default_factory=dict[datetime, int])
    by_slug: dict[Annotated[str, Field(pattern=r"^[a-z]+(?:-[a-z]+)*$")], SAFE]
    slow: str = Field(default="", pattern=r"^([a-z0-9]+-?)*$", max_length=64)


class Reply(Model, frozen=True):
    """What a job gives."""

    at: datetime
    total: Decimal
    thread: Comment
    note: str | None = None


@job("scalars", queue="torture", attempts=3, backoff=Exponential(first_s=1.0), priority=5, delay_s=0.001)
async def scalars(payload: Scalars, ctx: Context[None]) -> Reply:
    """One of each kind.

    In two paragraphs; */ is no end.
    """
    raise NotImplementedError


@job("nested", queue="torture", keep_completed=Retention(count=0), keep_failed=Retention())
async def nested(payload: Nested, ctx: Context[None]) -> list[Reply | None]:
    raise NotImplementedError


@job("words", queue="torture", former_names=("phrases",))
async def words(payload: Words, ctx: Context[None]) -> dict[str, tuple[int, str]]:
    raise NotImplementedError


@job("named", queue="torture")
async def named(payload: Named, ctx: Context[None]) -> None:
    raise NotImplementedError


@job("rough", queue="torture")
async def rough(payload: Rough, ctx: Context[None]) -> None:
    raise NotImplementedError


class Keyed(Payload, frozen=True):
    unique_by = ("city_id", "year", "is_open")

    city_id: UUID | None = None
    year: int = 2026
    is_open: bool = True


@job("keyed", queue="torture")
async def keyed(payload: Keyed, ctx: Context[None]) -> None:
    raise NotImplementedError


class Told(Payload, frozen=True):
    email: str

    def unique(self) -> str:
        return self.email.casefold()


@job("told", queue="torture")
async def told(payload: Told, ctx: Context[None]) -> object:
    raise NotImplementedError


class Recount(Payload, frozen=True):
    city: str


@job("recount", queue="torture", attempts=5, deduplicate=Deduplication.debounce("recount", ttl_s=60))
async def recount(payload: Recount, ctx: Context[None]) -> None:
    raise NotImplementedError


class SendReceipt(Payload, frozen=True):
    """For one order."""

    order_id: UUID
    lines: tuple[Payment, ...] = ()
    at: datetime | None = None
    language: str = "de"


class ReceiptSent(Model, frozen=True):
    mail_id: str


@job("send-receipt", queue="in-typescript", attempts=2, former_names=("send-bill",), external=True)
async def send_receipt(payload: SendReceipt, ctx: Context[None]) -> ReceiptSent: ...


JOBS = [scalars, nested, words, named, rough, keyed, told, recount, send_receipt]
app = App(jobs=JOBS, services=no_services, name="torture")
