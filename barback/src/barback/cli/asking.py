"""One question to the broker, and what a command says when it is done."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from barback.broker import Broker
from barback.cli.invocation import Invocation
from barback.cli.printing import print_json
from barback.connect import open_broker
from barback.printable import printable

ResultT = TypeVar("ResultT")


def ask(invocation: Invocation, question: Callable[[Broker], Awaitable[ResultT]]) -> ResultT:
    """The answer of the broker of the settings, or of this project's running `barback dev`."""

    async def ask() -> ResultT:
        async with open_broker(invocation.settings_or_dev()) as broker:
            return await question(broker)

    return asyncio.run(ask())


def say_done(text: str, value: dict[str, Any], as_json: bool) -> None:
    """A line for people, or a document for machines."""
    if as_json:
        print_json(value)
    else:
        click.echo(printable(text))
