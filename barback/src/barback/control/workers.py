"""Who works, and what they work: as their heartbeats told it last."""

from barback.board import Board
from barback.telemetry.beat import KIND as WORKER
from barback.telemetry.beat import WorkerBeat, decode_beat
from barback.telemetry.published import KIND as APP
from barback.telemetry.published import PublishedApp, decode_app


async def live_workers(board: Board) -> list[WorkerBeat]:
    """Workers that told of themselves in the last 15 s, by name. What cannot be read is left out."""
    beats = [decode_beat(text) for text in (await board.documents(WORKER)).values()]
    return sorted((beat for beat in beats if beat is not None), key=lambda beat: beat.name)


async def published_apps(board: Board) -> list[PublishedApp]:
    """Apps that a worker had in the last 7 days, by name, each as its newest release declares it."""
    apps = [decode_app(text) for text in (await board.documents(APP)).values()]
    return sorted((app for app in apps if app is not None), key=lambda app: app.name)
