"""Errors tell a person what to do."""

import pytest

from barback import errors
from barback.errors import (
    BarbackError,
    BrokerError,
    BrokerUnavailable,
    BrokerUnfit,
    DeclarationError,
    InvalidOptions,
    InvalidPayload,
    RetryLater,
    SettingsError,
    UnknownJob,
    UnknownQueue,
    Unrecoverable,
    UsageError,
    did_you_mean,
)


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (UsageError("x"), 2),
        (SettingsError("x"), 2),
        (DeclarationError("x"), 2),
        (UnknownJob("x", []), 2),
        (UnknownQueue("x", []), 2),
        (InvalidPayload("x", ["y"]), 2),
        (InvalidOptions("x"), 2),
        (BrokerUnfit("x"), 2),
        (BrokerUnavailable("x"), 2),
        (BrokerError("x"), 1),
        (BarbackError("x"), 1),
    ],
)
def test_every_error_is_barbacks_and_says_how_a_command_ends(error: BarbackError, exit_code: int) -> None:
    assert isinstance(error, BarbackError)
    assert error.exit_code == exit_code


def test_every_error_is_drawn_in_the_modules_tree() -> None:
    kinds = [name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)]
    assert [name for name in kinds if name not in (errors.__doc__ or "")] == []


def test_bad_input_can_be_told_from_a_broker_that_failed() -> None:
    assert not isinstance(BrokerUnavailable("x"), UsageError)
    assert isinstance(InvalidOptions("x"), UsageError)


def test_what_handlers_raise_to_say_how_it_goes_on_is_no_error_of_barbacks() -> None:
    assert not isinstance(Unrecoverable("x"), BarbackError)
    assert not isinstance(RetryLater(1), BarbackError)


def test_an_unknown_job_names_the_one_that_was_probably_meant() -> None:
    """P11."""
    error = UnknownJob("proces-cafe", ["process-cafe", "update-cafe-stats"], "cafe-processing")
    assert str(error) == (
        "No job named 'proces-cafe' is registered in queue 'cafe-processing'. Did you mean 'process-cafe'?"
    )
    assert error.name == "proces-cafe"


def test_an_unknown_job_of_any_queue_names_no_queue() -> None:
    assert str(UnknownJob("x", [])) == "No job named 'x' is registered. None is registered."


def test_an_unknown_queue_lists_those_that_are_known() -> None:
    error = UnknownQueue("zzz", ["cron-jobs", "cafe-processing"])
    assert str(error) == "No queue named 'zzz'. Known: cafe-processing, cron-jobs."
    assert error.name == "zzz"


def test_an_invalid_payload_has_a_line_for_each_field() -> None:
    """P11."""
    error = InvalidPayload("greet", ["name: Field required", "cups: Input should be a valid integer"])
    assert error.fields == ["name: Field required", "cups: Input should be a valid integer"]
    assert str(error) == (
        "Payload of 'greet' does not fit: name: Field required; cups: Input should be a valid integer"
    )


def test_retry_later_says_when_even_if_it_is_given_no_reason() -> None:
    assert str(RetryLater(90)) == "asked to run again in 90 s"
    assert str(RetryLater(90, "the till is closed")) == "the till is closed"
    assert RetryLater(2.5).after_s == 2.5


def test_retry_later_in_the_past_means_now() -> None:
    assert RetryLater(-5).after_s == 0


@pytest.mark.parametrize("after_s", [float("inf"), float("nan")])
def test_retry_later_refuses_a_time_that_never_comes(after_s: float) -> None:
    """P12: no broker could write it down."""
    with pytest.raises(ValueError, match="RetryLater: expected a finite number of seconds, got"):
        RetryLater(after_s)


def test_did_you_mean_names_the_closest() -> None:
    assert did_you_mean("cron-job", ["cron-jobs", "cafe"]) == " Did you mean 'cron-jobs'?"
    assert did_you_mean("x", ["b", "a", "a"]) == " Known: a, b."
    assert did_you_mean("caf", ["cafe-processing", "cafes"]) == " Did you mean 'cafes'?"
    assert did_you_mean("x", []) == " None is registered."
