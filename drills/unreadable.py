"""Jobs that nobody can read, between others."""

import contextlib
import time

from barback.bullmq import BullMQBroker
from drills.app import Deed
from drills.drill import Drills, Finding
from drills.servers import Valkey
from drills.world import Settings, World, until

drills = Drills()
DB = 1
DEEP = 100_000

# What is done to a job's key, by what it is then.
DAMAGES: dict[str, tuple[str, ...]] = {
    "opts that are no JSON": ("HSET", "opts", '{"attempts": 3'),
    "text in atm": ("HSET", "atm", "many"),
    "text in stc": ("HSET", "stc", "many"),
    "text in ats": ("HSET", "ats", "many"),
    "text in timestamp": ("HSET", "timestamp", "yesterday"),
    f"data nested {DEEP:,} deep": ("HSET", "data", "[" * DEEP + "]" * DEEP),
    "no hash": ("DEL",),
    "a string in place of the hash": ("SET", "no hash"),
}


def _settings(lock_s: float, check_s: float) -> Settings:
    return {"BARBACK_LOCK_S": lock_s, "BARBACK_STALLED_CHECK_S": check_s}


async def _add_one(world: World, server: Valkey, broker: BullMQBroker, number: int, deed: Deed = "none") -> str:
    """Its id, which is an automatic one."""
    await world.add(broker, [number], deed, 3600.0)
    return server.command("GET", f"bull:{world.queue}:id", db=DB).split(b"\r\n")[1].decode()


def _damage(world: World, server: Valkey, what: str, job_id: str) -> None:
    command, *words = DAMAGES[what]
    server.command(command, _key(world, job_id), *words, db=DB)


@drills.drill(
    "D15",
    "jobs whose hash cannot be read, in the middle of a queue",
    promise="P11",
    passes="each failed with a reason, or gone where nothing is left of it, within a lock and two checks; "
    "neighbours completed meanwhile",
)
async def damaged(world: World, full: bool) -> Finding:
    """Full: default settings, 100 neighbours for each."""
    lock_s, check_s, neighbours = (10.0, 5.0, 100) if full else (1.0, 0.25, 5)
    server = await world.server()
    broker = await world.broker(server.url)
    ids: dict[str, str] = {}
    number = 0
    for what in DAMAGES:
        await world.add(broker, range(number, number + neighbours))
        number += neighbours
        ids[what] = await _add_one(world, server, broker, 1_000_000 + len(ids))
        _damage(world, server, what, ids[what])
    await world.worker(server.url, _settings(lock_s, check_s))
    began = time.monotonic()
    innocent = set(range(number))
    with contextlib.suppress(TimeoutError):
        await until(lambda: innocent <= world.ledger.ended(), 20)
    neighbours_s = time.monotonic() - began
    within_s = lock_s + 2 * check_s + 1
    with contextlib.suppress(TimeoutError):
        await until(lambda: not _wrong(world, server, ids), max(0.0, within_s - neighbours_s))
    over_s = time.monotonic() - began
    wrong = _wrong(world, server, ids)
    # That their handlers ended is not all: what became of them must be written, too.
    completed = (await world.counts(broker)).get("completed", 0)
    lost = max(number - completed, len(innocent - world.ledger.ended()))
    # Nor may one of the others be among the failed.
    falsely_failed = len(_members(server, f"bull:{world.queue}:failed") - set(ids.values()))
    passed = not wrong and lost == 0 and falsely_failed == 0 and neighbours_s < within_s
    said = f"{len(ids)} kinds of damage over after {over_s:.1f} s, {number} neighbours after {neighbours_s:.1f} s"
    if wrong:
        said += f"; wrong: {'; '.join(wrong)}"
    return Finding(passed, said, lost, world.ledger.duplicates(), falsely_failed)


@drills.drill(
    "D15b",
    "jobs whose hash becomes unreadable while they run, and whose worker is then killed",
    promise="P2, P11",
    passes="each failed with a reason, or gone where nothing is left of it, within a lock and two checks of another "
    "worker's start",
)
async def damaged_while_active(world: World, full: bool) -> Finding:
    """Full: default settings."""
    lock_s, check_s = (10.0, 5.0) if full else (1.0, 0.25)
    server = await world.server()
    broker = await world.broker(server.url)
    doomed = await world.worker(server.url, _settings(lock_s, check_s))
    ids = {what: await _add_one(world, server, broker, number, "sleep") for number, what in enumerate(DAMAGES)}
    await until(lambda: len(world.ledger.starts()) == len(ids), 10)
    for what, job_id in ids.items():
        _damage(world, server, what, job_id)
    await doomed.kill()
    await world.worker(server.url, _settings(lock_s, check_s))
    began = time.monotonic()
    with contextlib.suppress(TimeoutError):
        await until(lambda: not _wrong(world, server, ids), lock_s + 2 * check_s + 1)
    over_s = time.monotonic() - began
    wrong = _wrong(world, server, ids)
    said = f"{len(ids)} kinds of damage to active jobs over after {over_s:.1f} s"
    if wrong:
        said += f"; wrong: {'; '.join(wrong)}"
    return Finding(not wrong, said, len(wrong), world.ledger.duplicates(), 0, [over_s])


def _wrong(world: World, server: Valkey, ids: dict[str, str]) -> list[str]:
    """Those that are neither failed with a reason, nor done (nobody needs that field), nor gone without a trace."""
    base = f"bull:{world.queue}"
    failed, completed = (_members(server, f"{base}:{state}") for state in ("failed", "completed"))
    left = _members(server, f"{base}:wait") | _members(server, f"{base}:active")
    wrong: list[str] = []
    for what, job_id in ids.items():
        key = _key(world, job_id)
        if job_id in failed and server.command("HGET", key, "failedReason", db=DB).startswith(b"$-1"):
            wrong.append(f"{what}: failed without a reason")
        elif job_id in left:
            wrong.append(f"{what}: neither failed nor gone")
        elif job_id not in failed | completed and server.command("EXISTS", key, db=DB) != b":0\r\n":
            wrong.append(f"{what}: in no list, and its key is still there")
    return wrong


def _members(server: Valkey, key: str) -> set[str]:
    """Of a list or of a sorted set."""
    command = "LRANGE" if server.command("TYPE", key, db=DB).startswith(b"+list") else "ZRANGE"
    return {line.decode() for line in server.command(command, key, "0", "-1", db=DB).split(b"\r\n")[2::2]}


def _key(world: World, job_id: str) -> str:
    return f"bull:{world.queue}:{job_id}"
