"""What `barback dev` says at its start: what is where, and how to go on."""

import time
from datetime import datetime
from zoneinfo import ZoneInfo

import click

from barback.cli.dashboard import address_of
from barback.cli.dev_servers import DevServers
from barback.cli.invocation import Invocation
from barback.cli.printing import print_facts
from barback.schedule import Schedule
from barback.settings import Settings, mask_url


def announce(invocation: Invocation, servers: DevServers) -> None:
    """Print it, a line each."""
    app, settings = invocation.app, invocation.settings
    click.echo(f"barback dev · {app.name} ({invocation.full_app_path})\n")
    queues = [
        f"{name} ({settings.concurrency_of(name, app.queues.get(name))} at a time)" for name in app.registry.queues
    ]
    jobs = [f"{job.name} → {job.queue}" for job in app.registry.jobs]
    print_facts(
        [
            *_redis(servers, settings),
            *_postgres(servers),
            *_dashboard(servers),
            ("Data", str(invocation.data_folder)),
            *_several("Queues", queues),
            *_several("Jobs", jobs),
            *_several("Schedules", [_schedule(schedule) for schedule in app.schedules]),
            ("Try", f"barback enqueue {app.registry.jobs[0].name} '{{…}}'   and   barback jobs"),
            ("Stop", "Ctrl-C drains the worker; twice stops at once"),
        ]
    )
    click.echo()


def _redis(servers: DevServers, settings: Settings) -> list[tuple[str, str]]:
    if servers.valkey is None:
        url = settings.redis_url.get_secret_value() if settings.redis_url else ""
        return [("Redis", f"{mask_url(url)}, database {settings.redis_db} (REDIS_URL)")]
    url = f"{servers.valkey.tcp_url}/{settings.redis_db}"
    return [("Redis", f"{url} (embedded)"), ("TypeScript", f"REDIS_URL={url} in the environment of your Next.js app")]


def _postgres(servers: DevServers) -> list[tuple[str, str]]:
    if servers.postgres is None:
        return []
    facts = [("Postgres", f"{servers.postgres.url} (embedded)")]
    if not servers.postgres.data.is_relative_to(servers.postgres.folder.resolve()):
        # As root it runs as `nobody`, who cannot go into a private folder.
        facts.append(("", f"its data are in {servers.postgres.data}, because 'nobody' cannot reach this project"))
    return facts


def _dashboard(servers: DevServers) -> list[tuple[str, str]]:
    if servers.dashboard_port is None:
        return []
    return [("Dashboard", address_of("127.0.0.1", servers.dashboard_port))]


def _schedule(schedule: Schedule) -> str:
    timing = schedule.timing
    what = f"every {timing.every_s:g} s" if timing.pattern is None else f"{timing.pattern} {timing.tz}"
    slot = timing.next_after(time.time())
    if slot is None:
        return f"{schedule.id}: {what}, over"
    return f"{schedule.id}: {what}, next {datetime.fromtimestamp(slot, ZoneInfo(timing.tz)):%Y-%m-%d %H:%M:%S %Z}"


def _several(name: str, values: list[str]) -> list[tuple[str, str]]:
    return [("" if index else name, value) for index, value in enumerate(values)]
