"""Every error barback raises, and what each means to a person at a terminal.

BarbackError
├── UsageError            bad input: fix what you typed; exit code 2
│   ├── SettingsError     one message names every wrong setting
│   ├── DeclarationError  a job, schedule or app is declared wrongly
│   │   └── NoJobs        the package of an app's jobs is empty
│   ├── UnknownJob        no job of that name; says which one was probably meant
│   ├── UnknownQueue
│   ├── InvalidPayload    has `.fields`: one line for each wrong field
│   ├── InvalidOptions    an option BullMQ would refuse or misread (job ids, priorities, …)
│   └── BrokerUnfit       Redis would lose jobs, or another BullMQ's are in it: change it before a worker starts
├── BrokerUnavailable     Redis cannot be reached, or refuses us; exit code 2 at start
├── BrokerError           Redis answered, but could not do it; exit code 1
└── ProcessDied           the process of a job with `runs_in="process"` ended before its handler did

Unrecoverable, RetryLater are not errors of barback: handlers raise them to say how their job goes on.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from math import isfinite
from types import ModuleType


class BarbackError(Exception):
    """The root: catch this to catch everything barback itself raises."""

    exit_code = 1


class UsageError(BarbackError):
    """Bad input. The message says what to do."""

    exit_code = 2


class SettingsError(UsageError):
    """One or more settings are wrong; the message names all of them, secrets masked."""


class DeclarationError(UsageError):
    """A job, schedule or app is declared in a way that cannot work."""


class NoJobs(DeclarationError):
    """There is no job in the package that shall hold an app's."""

    def __init__(self, package: ModuleType) -> None:
        super().__init__(
            f"App(jobs=…): no job is declared in package '{package.__name__}'. "
            "`barback new job send-receipt` writes the first one."
        )
        self.package = package


class UnknownJob(UsageError):
    """No job of that name is registered."""

    def __init__(self, name: str, known: Iterable[str], queue: str | None = None) -> None:
        where = f" in queue '{queue}'" if queue else ""
        super().__init__(f"No job named '{name}' is registered{where}.{did_you_mean(name, known)}")
        self.name = name


class UnknownQueue(UsageError):
    """No queue of that name is known to the app."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"No queue named '{name}'.{did_you_mean(name, known)}")
        self.name = name


class InvalidPayload(UsageError):
    """A payload does not fit its job's schema.

    `fields` holds one line for each wrong field: `cafeId: Input should be a valid UUID`.
    """

    def __init__(self, job: str, fields: list[str]) -> None:
        super().__init__(f"Payload of '{job}' does not fit: " + "; ".join(fields))
        self.fields = fields


class InvalidOptions(UsageError):
    """An option that BullMQ would refuse, misread, or break its queue with."""


class BrokerUnfit(UsageError):
    """The broker can be reached, but a worker would lose jobs there or run them wrongly. One line for each reason."""


class BrokerUnavailable(BarbackError):
    """The broker cannot be reached, or refuses us. Nothing was written, as far as can be known."""

    exit_code = 2


class BrokerError(BarbackError):
    """The broker answered, but the operation could not be done."""


class ProcessDied(BarbackError):
    """The process of a job with `runs_in="process"` ended before its handler did; the message says how.

    It is the job's own failure: attempts go on after it, unless `retry_on` or `fail_on` says otherwise.
    """


class Unrecoverable(Exception):
    """Raised by a handler: fail this job now, whatever attempts are left."""


class RetryLater(Exception):
    """Raised by a handler: run this job again after `after_s` seconds, without using up the attempt.

    0 or less means at once.

    :raises ValueError: `after_s` is not finite: that job would never run again.
    """

    def __init__(self, after_s: float, reason: str = "") -> None:
        if not isfinite(after_s):
            raise ValueError(f"RetryLater: expected a finite number of seconds, got {after_s!r}.")
        super().__init__(reason or f"asked to run again in {after_s:g} s")
        self.after_s = max(0.0, after_s)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the closest of `known`, or lists them when none is close. Starts with a space."""
    names = sorted(set(known))
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean '{close[0]}'?"
    if names:
        return " Known: " + ", ".join(names) + "."
    return " None is registered."
