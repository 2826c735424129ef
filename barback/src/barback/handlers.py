"""What a handler's function says: whether it can be called at all, what it is given, where it runs."""

import inspect
import typing
from collections.abc import Callable
from types import NoneType
from typing import Any, Literal, TypeVar

from pydantic import AliasChoices

from barback.errors import DeclarationError, did_you_mean
from barback.payload import Payload

RunsIn = Literal["loop", "thread", "process"]
"""The worker's event loop, a thread beside it, or a process of its own."""


def check_handler(name: str, handler: Callable[..., Any]) -> None:
    """Refuse what could never be called as `handler(payload, ctx)`, or would never run.

    :raises DeclarationError: says what to write instead.
    """
    # Of a partial or an object with __call__ nobody can tell whether it is async, nor which file it is from.
    if not (inspect.isfunction(handler) or inspect.ismethod(handler)):
        raise DeclarationError(
            f"Job '{name}': expected a function (def or async def) as its handler, got {handler!r}. "
            "Write a function that calls it."
        )
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise DeclarationError(f"Job '{name}': its handler yields, and would never run. Return the result instead.")
    parameters = _parameters(handler)
    if len(parameters) != 2:
        more = "".join(f" Nothing would ever fill '{parameter.name}'." for parameter in parameters[2:])
        raise DeclarationError(
            f"Job '{name}': its handler must take (payload, ctx), not {len(parameters)} parameters.{more}"
        )
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise DeclarationError(
                f"Job '{name}': its handler is called as handler(payload, ctx), which cannot fill '{parameter}'."
            )


def read_payload_type(name: str, handler: Callable[..., Any]) -> type[Payload]:
    """What its first parameter is annotated with.

    :raises DeclarationError: it is no subclass of `Payload`, or one that would refuse what it writes itself.
    """
    parameter = _parameters(handler)[0].name
    payload_type = _hints(name, handler).get(parameter)
    if not (isinstance(payload_type, type) and issubclass(payload_type, Payload)):
        raise DeclarationError(
            f"Job '{name}': '{parameter}' must be annotated with a subclass of barback.Payload, got {payload_type!r}."
        )
    wrong = _unreadable(payload_type) or _wrong_key(payload_type)
    if wrong is not None:
        raise DeclarationError(f"Job '{name}': {payload_type.__name__}.{wrong}")
    return payload_type


def _unreadable(payload_type: type[Payload]) -> str | None:
    """The first field that a payload writes and would not read."""
    if payload_type.model_config.get("extra") == "forbid":
        for field in payload_type.model_computed_fields:
            return f"{field} is a computed field: written, and refused where it is read. Make it a property."
    for field, info in payload_type.model_fields.items():
        written = info.serialization_alias or info.alias or field
        alias = info.validation_alias or info.alias
        read = [field, *(alias.choices if isinstance(alias, AliasChoices) else [alias])]
        if written not in read and not info.exclude:
            return (
                f"{field} is written as '{written}', and not read by that name. "
                f"Say validation_alias=AliasChoices('{written}', …) for it, or leave serialization_alias out."
            )
    return None


def _wrong_key(payload_type: type[Payload]) -> str | None:
    """What is wrong with what makes it unique."""
    if isinstance(payload_type.unique_by, str):
        return f"unique_by must be a tuple of names: ('{payload_type.unique_by}',)."
    for field in payload_type.unique_by:
        if field not in payload_type.model_fields:
            return f"unique_by names no field '{field}'.{did_you_mean(field, payload_type.model_fields)}"
        if payload_type.model_fields[field].exclude:
            return f"unique_by names '{field}', which is excluded: nobody could read the key off the payload."
    return None


def read_result_type(name: str, handler: Callable[..., Any]) -> Any:
    """What the handler is annotated to return, `Any` if it does not say.

    :raises DeclarationError: the annotation names what is not defined.
    """
    return _hints(name, handler).get("return", Any)


def decide_place(name: str, handler: Callable[..., Any], runs_in: RunsIn | None) -> RunsIn:
    """Where it runs. `runs_in` None: an `async def` on the loop, a plain `def` in a thread.

    :raises DeclarationError: it cannot run there.
    """
    is_async = inspect.iscoroutinefunction(handler)
    if runs_in is None:
        return "loop" if is_async else "thread"
    if runs_in not in typing.get_args(RunsIn):
        raise DeclarationError(f"Job '{name}': runs_in must be 'loop', 'thread' or 'process', got {runs_in!r}.")
    if is_async != (runs_in == "loop"):
        given, fitting = ("an async def", "'loop'") if is_async else ("a plain def", "'thread' or 'process'")
        raise DeclarationError(f"Job '{name}': {given} runs in {fitting}, not in '{runs_in}'.")
    if runs_in == "process":
        _check_needs_no_services(name, handler)
    return runs_in


def _check_needs_no_services(name: str, handler: Callable[..., Any]) -> None:
    context = _hints(name, handler).get(_parameters(handler)[1].name)
    for services in typing.get_args(context):
        if services not in (Any, NoneType) and not isinstance(services, TypeVar):
            raise DeclarationError(
                f"Job '{name}': it runs in a process, where there are no services. Annotate its context as "
                "Context[None], and open in the handler what it needs."
            )


def _hints(name: str, handler: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(handler)
    except NameError as error:
        raise DeclarationError(f"Job '{name}': a type in its handler's signature is not defined: {error}.") from error


def _parameters(handler: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(handler).parameters.values())
