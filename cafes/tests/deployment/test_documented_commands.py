"""The commands that docs/docker.md and docs/production.md give are ones that there are, with what they need."""

import re
import shlex
from typing import Any, cast

import click
import pytest

from barback.cli import main as barback
from cafes.cli import main as cafes

from .compose import ROOT, read_compose
from .running import ENV

TEXT = "\n".join((ROOT / "docs" / name).read_text() for name in ("docker.md", "production.md"))
OURS = re.compile(r"(?:`|(?:worker|cafes) )((?:barback|cafes) [a-z][^`#\n]*)")
IN_SERVICES = re.compile(r"^docker compose (?:exec|run|stop|start|restart|logs)\b(?: -\S+)* (\w+)", re.MULTILINE)


def commands() -> list[str]:
    return sorted({found.strip() for found in OURS.findall(TEXT)})


@pytest.mark.parametrize("command", commands())
def test_each_command_can_be_read(command: str) -> None:
    program, *words = shlex.split(command)
    group: click.Command = {"barback": barback, "cafes": cafes}[program]
    while isinstance(group, click.Group) and words and words[0] in group.commands:
        group = group.commands[words.pop(0)]
    if not isinstance(group, click.Group) or cast("Any", group).invoke_without_command:
        group.make_context(command, words)
    else:
        assert not words, command


def test_enough_are_found() -> None:
    assert {"barback doctor", "barback jobs repair cafe-processing", "cafes migrate"} <= set(commands())


def test_each_service_that_they_name_is_there() -> None:
    named = set(IN_SERVICES.findall(TEXT))
    assert {"worker", "redis"} <= named <= read_compose(ENV).keys()
