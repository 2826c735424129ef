"""When workers are started again, and how they are stopped: with processes made up, and a clock moved by hand."""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from barback.supervisor import ALONE_S, BACKOFF, LONG_LIVED_S, POLL_S, Supervisor, describe_exit, next_start

# ── when the next one starts ────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 10_000), st.floats(0, LONG_LIVED_S, exclude_max=True))
def test_each_death_in_a_row_waits_twice_as_long_up_to_30_s(deaths: int, lived_s: float) -> None:
    after_s, counted = next_start(False, lived_s, deaths)
    assert counted == deaths + 1
    assert after_s == (0.1 * 2**deaths if deaths < 9 else 30.0)
    assert 0.1 <= after_s <= 30.0


@given(st.integers(0, 10_000), st.floats(LONG_LIVED_S, 1e9))
def test_who_lived_long_is_started_again_as_if_it_were_the_first_death(deaths: int, lived_s: float) -> None:
    assert next_start(False, lived_s, deaths) == (0.1, 1)


@given(st.integers(0, 10_000), st.floats(0, 1e9))
def test_after_recycling_the_next_one_starts_at_once_and_nothing_is_held_against_it(
    deaths: int, lived_s: float
) -> None:
    assert next_start(True, lived_s, deaths) == (0.0, 0)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (0, "exit code 0"),
        (2, "exit code 2"),
        (128, "exit code 128"),
        (137, "SIGKILL"),
        (-9, "SIGKILL"),
        (139, "SIGSEGV"),
    ],
)
def test_an_end_is_told_by_exit_code_or_the_name_of_the_signal(code: int, told: str) -> None:
    assert describe_exit(code) == told


# ── the supervisor ──────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Made:
    """A worker process made up: it ends as the test says."""

    started_at: float
    working: bool = True
    code: int | None = None
    signals: list[signal.Signals] = field(default_factory=list[signal.Signals])
    on_signal: dict[signal.Signals, int] = field(default_factory=dict[signal.Signals, int])

    def works(self) -> bool:
        return self.working

    def exit_code(self) -> int | None:
        return self.code

    def send(self, number: signal.Signals) -> None:
        self.signals.append(number)
        self.code = self.on_signal.get(number, self.code)


@dataclass
class World:
    """Time passes while the supervisor sleeps, and things happen at their time."""

    supervisor: Supervisor = field(init=False)
    processes: int = 1
    patience_s: float = 28.0
    now: float = 0.0
    stops: int = 0
    born: Callable[[int], Made] = field(init=False)
    children: list[Made] = field(default_factory=list[Made])
    due: list[tuple[float, Callable[[], None]]] = field(default_factory=list[tuple[float, Callable[[], None]]])

    def __post_init__(self) -> None:
        self.born = lambda _: Made(self.now, on_signal={signal.SIGTERM: 0})
        self.supervisor = Supervisor(self._start, self.processes, self.patience_s, lambda: self.now, self._sleep)

    def at(self, moment: float, happens: Callable[[], None]) -> None:
        self.due.append((moment, happens))

    def ends(self, number: int, code: int) -> Callable[[], None]:
        """The child that was started as this one of all, from 0, ends so."""

        def end() -> None:
            self.children[number].code = code

        return end

    def ask_to_stop(self) -> None:
        self.stops += 1

    def run(self, stop_at: float = 1_000.0) -> int:
        self.at(stop_at, self.ask_to_stop)
        return self.supervisor.run(lambda: self.stops)

    def _start(self, _number: int) -> Made:
        self.children.append(self.born(len(self.children)))
        return self.children[-1]

    def _sleep(self, for_s: float) -> None:
        self.now += for_s
        assert self.now < 10_000, "it never ends"
        for moment, happens in sorted(self.due, key=lambda one: one[0]):
            if moment <= self.now:
                self.due.remove((moment, happens))
                happens()


def test_all_are_started_once_the_first_one_works() -> None:
    world = World(processes=3)
    world.born = lambda number: Made(world.now, working=number > 0, on_signal={signal.SIGTERM: 0})
    world.at(4.0, lambda: setattr(world.children[0], "working", True))
    assert world.run(stop_at=10) == 0
    assert world.children[0].started_at == 0
    assert [pytest.approx(4.0, abs=0.2)] * 2 == [child.started_at for child in world.children[1:]]
    assert [child.signals for child in world.children] == [[signal.SIGTERM]] * 3


def test_a_first_one_that_takes_very_long_does_not_keep_the_others_for_ever() -> None:
    world = World(processes=2)
    world.born = lambda _: Made(world.now, working=False, on_signal={signal.SIGTERM: 0})
    assert world.run(stop_at=100) == 0
    assert world.children[1].started_at == pytest.approx(ALONE_S, abs=0.2)


def test_if_the_first_cannot_work_as_things_are_set_up_no_other_is_started() -> None:
    """Its message is seen once."""
    world = World(processes=3)
    world.born = lambda _: Made(world.now, working=False, code=2)
    assert world.run() == 2
    assert len(world.children) == 1


def test_who_cannot_work_later_on_is_started_again_for_ever() -> None:
    """Redis is away: when it is back, so shall be the workers."""
    world = World()
    world.born = lambda number: Made(world.now, number == 0, 1 if number == 0 else 2 if number < 8 else None)
    world.at(500, lambda: world.children[-1].on_signal.update({signal.SIGTERM: 0}))
    assert world.run() == 0
    assert len(world.children) == 9


def test_a_dead_one_is_started_again_later_each_time_and_the_others_go_on() -> None:
    world = World(processes=2)
    world.born = lambda number: Made(world.now, code=137 if 2 <= number < 13 else None, on_signal={signal.SIGTERM: 0})
    world.at(1, world.ends(0, 137))
    with capture_logs() as told:
        assert world.run() == 0
    entries = [entry for entry in told if entry["event"] == "worker ended, another is started"]
    assert [entry["after_s"] for entry in entries] == [BACKOFF.after(death) for death in range(1, 13)]
    assert {(entry["process"], entry["ended"], entry["log_level"]) for entry in entries} == {(1, "SIGKILL", "error")}
    starts = [child.started_at for child in world.children[2:]]
    for before, after, entry in zip(starts, starts[1:], entries[1:], strict=False):
        assert after - before == pytest.approx(entry["after_s"], abs=3 * POLL_S)
    assert world.children[1].started_at < 1


def test_a_recycled_one_is_replaced_at_once() -> None:
    world = World()
    world.born = lambda number: Made(world.now, code=0 if number < 5 else None, on_signal={signal.SIGTERM: 0})
    with capture_logs() as told:
        assert world.run(stop_at=10) == 0
    assert [entry["log_level"] for entry in told] == ["info"] * 5
    assert world.children[-1].started_at < 6 * POLL_S


def test_one_that_ends_well_but_never_worked_is_not_started_again_at_full_speed() -> None:
    world = World()
    world.born = lambda _: Made(world.now, working=False, code=0)
    world.run(stop_at=60)
    assert len(world.children) < 12


def test_a_stop_drains_and_waits_for_all() -> None:
    world = World(processes=2)
    world.born = lambda _: Made(world.now)
    world.at(12, world.ends(0, 0))
    world.at(20, world.ends(1, 0))
    assert world.run(stop_at=10) == 0
    assert world.now == pytest.approx(20, abs=0.2)
    assert [child.signals for child in world.children] == [[signal.SIGTERM]] * 2


def test_each_further_request_goes_one_step_further() -> None:
    world = World()
    world.born = lambda _: Made(world.now, on_signal={signal.SIGKILL: 137})
    signals: list[list[signal.Signals]] = []
    for moment in (11, 12):
        world.at(moment, lambda: signals.append(list(world.children[0].signals)))
        world.at(moment, world.ask_to_stop)
    assert world.run(stop_at=10) == 1
    assert signals == [[signal.SIGTERM], [signal.SIGTERM, signal.SIGINT]]
    assert world.children[0].signals == [signal.SIGTERM, signal.SIGINT, signal.SIGKILL]
    assert world.now == pytest.approx(12, abs=0.2)


def test_out_of_patience_it_kills_and_says_so() -> None:
    """B20."""
    world = World()
    world.born = lambda _: Made(world.now, on_signal={signal.SIGKILL: 137})
    with capture_logs() as told:
        assert world.run(stop_at=10) == 1
    assert world.now == pytest.approx(10 + world.patience_s, abs=0.2)
    assert ("worker did not drain", "SIGKILL") in [(entry["event"], entry.get("ended")) for entry in told]


@pytest.mark.parametrize(("code", "ends_with"), [(0, 0), (143, 0), (130, 0), (1, 1), (2, 1), (137, 1), (139, 1)])
def test_it_ends_well_only_if_all_drained(code: int, ends_with: int) -> None:
    """By SIGTERM or SIGINT ends who was asked before it listened: it had no job."""
    world = World(processes=3)
    world.born = lambda number: Made(world.now, on_signal={signal.SIGTERM: code if number == 1 else 0})
    assert world.run(stop_at=10) == ends_with


def test_one_that_waits_to_be_started_again_is_not_started_after_a_stop() -> None:
    world = World(processes=2)
    world.at(9.9, world.ends(0, 1))
    assert world.run(stop_at=9.95) == 0
    assert len(world.children) == 2
