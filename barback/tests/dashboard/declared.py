"""A job whose payload has each kind of field, and how an app says so of it."""

from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field, SecretStr

from barback.app import App, no_services
from barback.board import Board
from barback.job import AnyJob, Context, job
from barback.masking import Secret
from barback.payload import Payload
from barback.telemetry.published import KIND, PublishedApp, PublishedJob, publish


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Address(BaseModel):
    street: str
    door_number: int = Field(alias="doorNumber")


class Order(Payload, frozen=True):
    drink: str = Field(min_length=2, description="What the guest wants.")
    cups: int = Field(ge=1, le=99)
    price: float = 2.5
    hot: bool = True
    size: Size = Size.SMALL
    ready_at: AwareDatetime | None = None
    note: str | None = None
    spice: bool | None = None
    address: Address
    extras: tuple[str, ...] = ()
    token: Annotated[str, Secret()] = "none"
    pin: SecretStr | None = None
    cards: tuple[Annotated[str, Secret()], ...] = ()


FULL: dict[str, Any] = {
    "drink": "espresso",
    "cups": 2,
    "price": 3.75,
    "hot": False,
    "size": "large",
    "readyAt": datetime(2026, 1, 31, 9, 30, 15, tzinfo=UTC).isoformat(),
    "note": None,
    "spice": True,
    "address": {"street": "Long Lane", "doorNumber": 7},
    "extras": ["sugar"],
    "token": "canary-token",
    "cards": ["canary-card"],
}


def job_of(kind: type[Payload], name: str, queue: str, **options: Any) -> AnyJob:
    async def handler(payload: Any, ctx: Context[None]) -> None: ...

    handler.__annotations__["payload"] = kind
    return job(name, queue=queue, **options)(handler)


def published(queue: str = "bar", name: str = "serve", app: str = "cafe") -> PublishedApp:
    job = job_of(Order, name, queue, attempts=3)
    return publish(App(jobs=[job], services=no_services, name=app), "1", 7.0)


def declared() -> PublishedJob:
    return published().jobs[0]


async def publish_on(board: Board, app: PublishedApp) -> None:
    await board.put_document(KIND, app.name, app.encode(), 600)
