"""Whether and when a failed attempt runs again. Pure: no clock, no I/O, no randomness of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, cast

from barback.errors import InvalidOptions, RetryLater, Unrecoverable


@dataclass(frozen=True, slots=True)
class Fixed:
    """Wait the same time after each failed attempt. Durations are seconds."""

    delay_s: float = 1.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        _check(self.delay_s, self.jitter)

    def after(self, attempt: int) -> float:
        """Seconds to wait once `attempt` (counted from 1) has failed, before jitter."""
        return self.delay_s


@dataclass(frozen=True, slots=True)
class Exponential:
    """Wait twice as long after each failed attempt. Durations are seconds.

    `longest_s` caps the wait (`inf`: no cap; a Node worker does not know the cap and goes on doubling).
    """

    first_s: float = 2.0
    longest_s: float = 3600.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        _check(self.first_s, self.jitter)
        if not self.longest_s > 0:
            raise InvalidOptions(f"Exponential.longest_s: expected more than 0, got {self.longest_s!r}.")

    def after(self, attempt: int) -> float:
        """Seconds to wait once `attempt` (counted from 1) has failed, before jitter."""
        # Cap the exponent as well as the result: 2.0 * 2**1999 overflows a float.
        return min(self.first_s * 2 ** min(attempt - 1, 30), self.longest_s)


@dataclass(frozen=True, slots=True)
class Custom:
    """Ask a function of the job's own: `wait(attempt, error)` gives seconds, or None to fail the job now.

    Known to workers that declare the job; a Node worker needs a `backoffStrategy` of its own.
    """

    wait: Callable[[int, BaseException], float | None]
    jitter: float = 0.0

    def __post_init__(self) -> None:
        _check(0.0, self.jitter)


Backoff = Fixed | Exponential | Custom


def wait_after(backoff: Backoff | None, attempt: int, error: BaseException, random: float) -> float | None:
    """Seconds until the next attempt; None means there shall be none.

    `random` in [0, 1) draws the jitter: a jitter of 0.25 waits between 75 % and 100 % of the full time (BullMQ's rule).
    No backoff at all means at once.
    """
    if backoff is None:
        return 0.0
    full = backoff.wait(attempt, error) if isinstance(backoff, Custom) else backoff.after(attempt)
    if full is None:
        return None
    if not isfinite(full) or full < 0:
        raise InvalidOptions(f"Backoff: expected a finite number of seconds of 0 or more, got {full!r}.")
    return full * (1 - backoff.jitter) + full * backoff.jitter * random


def _check(delay_s: float, jitter: float) -> None:
    if not 0 <= delay_s < inf:
        raise InvalidOptions(f"Backoff: expected a finite delay of 0 s or more, got {delay_s!r}.")
    if not 0 <= jitter <= 1:
        raise InvalidOptions(f"Backoff: expected a jitter from 0 to 1, got {jitter!r}.")


def _undeclared(attempt: int, error: BaseException) -> float | None:
    return Exponential().after(attempt)


UNDECLARED = Custom(_undeclared)
"""A strategy that a stored job only names: the job's declaration says what it is, else it is `Exponential()`."""


@dataclass(frozen=True, slots=True)
class RetryRule:
    """Which errors are worth another attempt: those in `retry_on`, but for those in `fail_on`.

    An `ExceptionGroup` is in `fail_on` if any of the errors it holds is, and in `retry_on` if all of them are; naming
    the group's own type holds too. `Unrecoverable` and `RetryLater` are above both.
    """

    retry_on: tuple[type[BaseException], ...] = (BaseException,)
    fail_on: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        _check_types("retry_on", self.retry_on)
        _check_types("fail_on", self.fail_on)

    def allows(self, error: BaseException) -> bool:
        """Whether the job may run again after this error, if attempts are left."""
        # What asks to run again does not keep the errors beside it from running again.
        held = [one for one in leaves(error) if not isinstance(one, RetryLater)]
        if any(isinstance(one, (Unrecoverable, *self.fail_on)) for one in (error, *held)):
            return False
        return isinstance(error, self.retry_on) or all(isinstance(one, self.retry_on) for one in held)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors that a group holds, at any depth; of any other error itself."""
    rest = [error]
    while rest:
        one = rest.pop()
        if isinstance(one, BaseExceptionGroup):
            rest += cast("BaseExceptionGroup[BaseException]", one).exceptions
        else:
            yield one


def is_unrecoverable(error: BaseException) -> bool:
    """Whether a handler says so: it raised `Unrecoverable`, or a group that holds one."""
    return any(isinstance(one, Unrecoverable) for one in leaves(error))


def asked_for_after(error: BaseException) -> float | None:
    """Seconds after which a handler asks to run again, by `RetryLater`; None: it does not.

    A group asks for it if it holds nothing else: when the last of them does.

    :raises InvalidOptions: a subclass made its `after_s` what no clock can tell.
    """
    asking = list(leaves(error))
    if not all(isinstance(one, RetryLater) for one in asking):
        return None
    after_s = max(cast("RetryLater", one).after_s for one in asking)
    _check(after_s, 0.0)
    return after_s


def _check_types(argument: str, kinds: Any) -> None:
    if not isinstance(kinds, tuple):
        raise InvalidOptions(f"{argument}: expected a tuple of exception types, got {kinds!r}.")
    for kind in cast("tuple[Any, ...]", kinds):
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise InvalidOptions(f"{argument}: expected exception types, got {kind!r}.")
