"""barback, as its README shows: `barback --app program:app work`, and `connect()` to enqueue."""

import asyncio

from adding import add_as_told
from tally import RUN, tally

from barback import App, Context, Payload, connect, job, no_services


class Cafe(Payload, frozen=True):
    cafe_id: str
    name: str
    rating: float
    tags: list[str]
    sent_ns: int


@job("rate", queue=RUN.queue)
async def rate(payload: Cafe, ctx: Context[None]) -> None:
    tally.started(payload.sent_ns)
    if RUN.io_ms:
        await asyncio.sleep(RUN.io_ms / 1000)
    tally.ended()


app = App(jobs=[rate], services=no_services)


def cafe(one: dict) -> Cafe:
    return Cafe(cafe_id=one["cafeId"], name=one["name"], rating=one["rating"], tags=one["tags"], sent_ns=one["sentNs"])


async def main() -> None:
    async with connect() as enqueue:
        await add_as_told(
            lambda one: enqueue(rate, cafe(one)),
            lambda many: enqueue.many(rate, map(cafe, many)),
        )


if __name__ == "__main__":
    asyncio.run(main())
