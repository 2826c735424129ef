"""Jobs with `runs_in="process"`: killed when their time is over, and nobody dies with them."""

import asyncio
import contextlib
import importlib
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from barback.app import App, no_services
from barback.broker import Completed, Failed, NewJob, Outcome, Retry
from barback.bullmq import BullMQBroker
from barback.errors import DeclarationError
from barback.job import AnyJob, Context, job
from barback.memory import MemoryBroker
from barback.outcomes import Chance, Ending
from barback.payload import NoPayload
from barback.payload_limits import PayloadLimits
from barback.processes.wire import Call, pack, unpack
from barback.producer import Producer, flow
from barback.retry import UNDECLARED, Custom, Exponential
from barback.testing import InMemory, Worked
from barback.worker import Worker

from .eventually import eventually, until
from .working import drained, working

FOLDER = Path(__file__).with_name("in_processes")


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch, queue_name: str) -> Any:
    """The module of the jobs, in a queue of this test's own."""
    monkeypatch.setenv("QUEUE_OF_PROCESSES", queue_name)
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    monkeypatch.delitem(sys.modules, "jobs_in_processes", raising=False)
    return importlib.import_module("jobs_in_processes")


@contextlib.asynccontextmanager
async def in_memory(*jobs: AnyJob) -> AsyncGenerator[InMemory[None]]:
    async with InMemory(App(jobs=jobs, services=no_services)) as h:
        yield h


async def run(of: AnyJob, **payload: str) -> Outcome:
    """One attempt of one job."""
    async with in_memory(of) as h:
        await h.enqueue(of, of.payload_type(**payload))
        return (await h.drain())[0].outcome


async def run_each(of: AnyJob, *deeds: str) -> dict[str, Any]:
    """One attempt for each deed, one after the other in one process; their outcomes."""
    async with in_memory(of) as h:
        for deed in deeds:
            await h.enqueue(of, of.payload_type(deed=deed))
        return dict(zip(deeds, [worked.outcome for worked in await h.drain()], strict=True))


def result(worked: Worked) -> Any:
    assert isinstance(worked.outcome, Completed), worked.outcome
    return json.loads(worked.outcome.result)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # In a container nobody may fetch the exit code of an orphan.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False


# ── what it is given, and what it does ──────────────────────────────────────────────────────────────────


async def test_a_job_runs_in_a_process_that_is_used_again(jobs: Any, queue_name: str) -> None:
    async with in_memory(jobs.tells) as h:
        await h.enqueue(jobs.tells, jobs.Deed(deed="ünïcode ☕"))
        await h.enqueue(jobs.tells, jobs.Deed())
        first, second = map(result, await h.drain())
    assert first["pid"] != os.getpid()
    assert second["pid"] == first["pid"]
    assert first["deed"] == "ünïcode ☕"
    assert first["context"] == [None, "tells", queue_name, 1, 3, 1]
    assert first["cancelled"] is False
    assert gone(first["pid"])


async def test_its_context_reports_logs_and_enqueues_as_in_a_thread(jobs: Any, queue_name: str) -> None:
    async with in_memory(jobs.uses_its_context, jobs.tells) as h:
        await h.enqueue(jobs.uses_its_context, NoPayload())
        worked = await h.drain()
        assert result(worked[0]) == ["Created(job_id='2')", "Swallowed(by='3', state='waiting')"]
        assert await h.broker.logs(queue_name, "1") == ["boiling ☕"]
        asked, made = await h.broker.get(queue_name, "1"), await h.broker.get(queue_name, "2")
    assert asked is not None
    assert json.loads(asked.progress) == {"done": 7}
    assert made is not None
    assert json.loads(made.data)["deed"] == "child"
    assert (made.options.delay_s, made.options.backoff, made.options.attempts) == (60, Exponential(3), 4)


async def test_what_the_worker_refuses_is_raised_in_the_handler(jobs: Any) -> None:
    async with in_memory(jobs.asks_too_much, jobs.tells) as h:
        await h.enqueue(jobs.asks_too_much, NoPayload())
        [worked] = await h.drain()
    of_options, of_a_stranger = result(worked)
    assert of_options == "attempts: expected 1 or more, got 0."
    assert of_a_stranger.startswith("No job named 'stranger' is registered")


@pytest.mark.parametrize(("limit_bytes", "state"), [(0, "completed"), (2**20, "failed")])
async def test_the_limits_of_payloads_are_those_of_its_worker(
    jobs: Any, broker: BullMQBroker, queue_name: str, limit_bytes: int, state: str
) -> None:
    await Producer(broker)(jobs.sends_much, NoPayload())
    limits = PayloadLimits(limit_bytes=limit_bytes)
    async with working(broker, [jobs.sends_much, jobs.tells], payload_limits=limits):
        await eventually(lambda: ended(broker, queue_name))
    record = await broker.get(queue_name, "1")
    assert record is not None
    assert record.state == state
    assert ("the limit is 1,024 KB" in (record.failed_reason or "")) == (state == "failed")
    # As in JavaScript: Node could not read NaN.
    assert record.progress == '{"done":null}'


async def ended(broker: BullMQBroker, queue: str) -> bool:
    return await broker.state(queue, "1") in ("completed", "failed")


async def test_it_is_given_the_results_of_its_children(jobs: Any) -> None:
    async with in_memory(jobs.sums, jobs.tells) as h:
        await h.enqueue.flow(flow(jobs.sums, NoPayload(), children=[flow(jobs.tells, jobs.Deed(deed="a child's"))]))
        worked = await h.drain()
    assert [child["deed"] for child in result(worked[-1])] == ["a child's"]


async def test_a_thread_that_a_handler_left_does_not_speak_for_the_next_job(
    jobs: Any, queue_name: str, tmp_path: Path
) -> None:
    file = tmp_path / "said"
    async with in_memory(jobs.leaves_a_thread, jobs.tells) as h:
        await h.enqueue(jobs.leaves_a_thread, jobs.Deed(file=str(file)))
        await h.drain()
        file.touch()
        await until(file.read_text)
        await h.enqueue(jobs.tells, jobs.Deed())
        result((await h.drain())[0])
        assert await h.broker.logs(queue_name, "2") == []
    assert file.read_text() == "ctx.log: the attempt has ended."


async def test_what_stops_a_worker_does_not_stop_its_processes(jobs: Any) -> None:
    """Ctrl-C and systemd's SIGTERM reach all; the worker drains first."""
    assert await run(jobs.is_told_to_end) == Completed('"not by these"')


# ── errors and results ──────────────────────────────────────────────────────────────────────────────────


RAISED = {
    "not matched": (Failed, "ValueError: no milk"),
    "fail": (Failed, "FileNotFoundError: no milk"),
    "backoff ends it": (Failed, "ConnectionError: no sugar"),
    "unrecoverable": (Failed, "no cafe"),
    "exit": (Failed, "SystemExit: 3"),
    "surrogates": (Failed, "ValueError: caf\\udce9"),
    "retry": (Retry, "ConnectionError: no milk"),
    "later": (Retry, "no room"),
}


async def test_what_it_raises_counts_as_it_does_in_a_thread(jobs: Any) -> None:
    """P12."""
    outcomes = await run_each(jobs.raises, *RAISED)
    assert {deed: (type(outcome), outcome.reason) for deed, outcome in outcomes.items()} == RAISED
    assert outcomes.pop("later") == Retry(90, "no room", uses_attempt=False)
    assert outcomes["retry"].after_s == 10.0
    for outcome in outcomes.values():
        assert "in raises" in outcome.stacktrace
        assert "barback/processes" not in outcome.stacktrace


async def test_a_result_that_cannot_be_kept_fails_for_good(jobs: Any) -> None:
    outcomes = await run_each(jobs.raises, "no json", "too large")
    for deed, why in {
        "no json": "cannot be written as JSON",
        "too large": "is 9.0 MB of JSON, and 8 MB are kept at most.",
    }.items():
        assert isinstance(outcomes[deed], Failed)
        assert outcomes[deed].reason.startswith(f"Job 'raises' ran, but what it returned {why}")


async def test_an_async_handler_behind_a_plain_one_is_awaited_in_the_process(jobs: Any) -> None:
    assert await run(jobs.raises, deed="async") == Completed('"awaited"')


# ── deaths ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("segfault", "Its process was killed by SIGSEGV."),
        ("exit", "Its process exited with code 3."),
        ("out of memory", "Its process was killed by SIGKILL, as the system does when memory runs out."),
        ("exit beside its child", "Its process exited with code 4."),
    ],
)
async def test_a_job_whose_process_dies_is_retried_and_its_worker_lives_on(
    jobs: Any, deed: str, reason: str, tmp_path: Path
) -> None:
    """P8, P12: what kills a worker's own process takes it with all its jobs."""
    async with in_memory(jobs.dies, jobs.tells) as h:
        await h.enqueue(jobs.dies, jobs.Deed(deed=deed, file=str(tmp_path / "pid")))
        await h.enqueue(jobs.tells, jobs.Deed())
        died, told = await h.drain()
        assert isinstance(died.outcome, Retry)
        assert (died.outcome.reason, died.outcome.after_s) == (reason, 5)
        result(told)
        await h.move_clock(5)
        [again] = await h.drain()
    assert isinstance(again.outcome, Failed)
    assert again.outcome.reason == reason


async def test_what_a_dead_process_had_started_is_ended_too(jobs: Any, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    await run(jobs.dies, deed="exit beside its child", file=str(file))
    await until(lambda: gone(int(file.read_text())))


async def test_a_job_that_its_process_cannot_import_says_why(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUEUE_OF_PROCESSES")
    outcome = await run(jobs.tells)
    assert isinstance(outcome, Retry)
    assert outcome.reason == "Its process cannot import 'jobs_in_processes': KeyError: 'QUEUE_OF_PROCESSES'"


async def test_a_process_that_is_not_ready_in_time_is_given_up(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barback.processes.pool.START_S", 0.01)
    outcome = await run(jobs.tells)
    assert isinstance(outcome, Retry)
    assert outcome.reason == "Its process was not ready within 0.01 s."


def test_nothing_but_json_and_our_values_crosses() -> None:
    for value in (
        Chance(1, 2, Exponential(3), 0.5),
        Call("log", "caf\udce9"),
        Ending(Failed("no", "milk"), raised=True),
    ):
        assert unpack(pack(Call("any", value))) == Call("any", value)
    assert unpack(pack(Call("any", Custom(lambda attempt, error: 7.0)))) == Call("any", UNDECLARED)
    with pytest.raises(TypeError, match="cannot cross into another process"):
        pack(Call("any", object()))


async def test_a_death_can_be_final(jobs: Any) -> None:
    outcome = await run(jobs.dies_for_good)
    assert isinstance(outcome, Failed)
    assert outcome.reason == "Its process exited with code 3."


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_handler_that_overruns_its_timeout_in_c_code_is_gone_before_its_retry(
    jobs: Any, tmp_path: Path
) -> None:
    """What a thread cannot promise."""
    file = tmp_path / "pid"
    outcome = await run(jobs.overruns, file=str(file))
    assert isinstance(outcome, Retry)
    assert outcome.reason == "TimeoutError: it took longer than its timeout of 0.3 s"
    assert gone(int(file.read_text()))


async def test_a_handler_that_is_told_of_its_timeout_may_say_how_it_goes_on(jobs: Any, tmp_path: Path) -> None:
    outcome = await run(jobs.overruns, deed="obeys", file=str(tmp_path / "pid"))
    assert isinstance(outcome, Failed)
    assert outcome.reason == "told to end"


async def test_a_process_that_was_told_to_end_is_not_used_again(jobs: Any, tmp_path: Path) -> None:
    """It would find itself cancelled."""
    file = tmp_path / "pid"
    async with in_memory(jobs.overruns, jobs.tells) as h:
        await h.enqueue(jobs.overruns, jobs.Deed(deed="returns", file=str(file)), attempts=1)
        await h.enqueue(jobs.tells, jobs.Deed())
        overran, told = await h.drain()
    assert isinstance(overran.outcome, Failed)
    assert overran.outcome.reason == "TimeoutError: it took longer than its timeout of 0.3 s"
    assert result(told)["cancelled"] is False
    assert result(told)["pid"] != int(file.read_text())


async def test_a_job_that_holds_the_gil_is_started_once_and_its_neighbour_is_not_late(
    broker: BullMQBroker, jobs: Any, queue_name: str
) -> None:
    """B11, P10: with a lock of 1 s, and much longer in C code."""
    await broker.add([NewJob(queue_name, "counts", "{}"), NewJob(queue_name, "ticks", "{}")])
    report = await drained(broker, [jobs.counts, jobs.ticks], within_s=60, lock_s=1.0, stalled_check_s=0.2)
    assert (report.completed, report.refused) == (2, 0)
    counted, ticked = await broker.get(queue_name, "1"), await broker.get(queue_name, "2")
    assert counted is not None
    assert ticked is not None
    assert (counted.starts, counted.result) == (1, '"counted"')
    assert counted.started_at is not None
    assert counted.finished_at is not None
    assert counted.finished_at - counted.started_at > 1.5
    assert float(ticked.result or "inf") < 0.5


async def test_a_worker_that_stops_hands_back_a_job_whose_process_is_dead(
    broker: BullMQBroker, jobs: Any, queue_name: str, tmp_path: Path
) -> None:
    """P9."""
    file = tmp_path / "pid"
    await broker.add([NewJob(queue_name, "runs-for-ever", json.dumps({"file": str(file)}))])
    async with working(broker, jobs.runs_for_ever, grace_s=0.1) as beside:
        await until(lambda: file.exists() and file.read_text(), within_s=20)
        report = await beside.stopped()
    assert report.handed_back == 1
    assert await broker.state(queue_name, "1") == "waiting"
    assert gone(int(file.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process in C code outlives a killed worker")
async def test_a_process_in_c_code_ends_with_its_killed_worker(
    broker: BullMQBroker, valkey_url: str, jobs: Any, queue_name: str, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    await broker.add([NewJob(queue_name, "runs-for-ever", json.dumps({"file": str(file)}))])
    script = str(FOLDER / "orphaning_worker.py")
    worker = await asyncio.create_subprocess_exec(sys.executable, script, valkey_url)
    try:
        await until(lambda: file.exists() and file.read_text(), within_s=20)
    finally:
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    await until(lambda: gone(int(file.read_text())), within_s=5)


async def test_a_job_that_is_cancelled_is_ended_with_its_process(
    broker: BullMQBroker, jobs: Any, queue_name: str, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    await broker.add([NewJob(queue_name, "runs-for-ever", json.dumps({"file": str(file)}))])
    async with working(broker, jobs.runs_for_ever, lock_s=1.0):
        await until(lambda: file.exists() and file.read_text(), within_s=20)
        await broker.cancel(queue_name, "1", "nobody waits for it")

        async def failed() -> bool:
            return await broker.state(queue_name, "1") == "failed"

        await eventually(failed)
        assert gone(int(file.read_text()))
    record = await broker.get(queue_name, "1")
    assert record is not None
    assert record.failed_reason == "Cancelled: nobody waits for it"


# ── declarations ────────────────────────────────────────────────────────────────────────────────────────


@job("inside", queue="q", runs_in="process")
def moved(payload: NoPayload, ctx: Context[None]) -> None: ...


async def test_a_job_that_no_process_could_import_is_refused_when_the_worker_starts() -> None:
    @job("inside", queue="q", runs_in="process")
    def inside(payload: NoPayload, ctx: Context[None]) -> None: ...

    message = (
        f"Job 'inside' runs in a process, which must import it, but it is not at the top level of '{__name__}'. "
        "Declare it at the top level of a module of its own."
    )
    app = App(jobs=[inside], services=no_services)
    with pytest.raises(DeclarationError) as refusal:
        Worker(app, MemoryBroker())
    assert str(refusal.value) == message
    with pytest.raises(DeclarationError, match="runs in a process"):
        async with InMemory(app):
            pass


def test_a_job_of_the_main_module_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moved.handler, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "moved", moved, raising=False)
    with pytest.raises(DeclarationError, match="it is in the program's main module"):
        Worker(App(jobs=[moved], services=no_services), MemoryBroker())
