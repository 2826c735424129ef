"""The compose file as an engine would read it, and its commands as processes: no engine runs here."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

ROOT = Path(__file__).parents[3]
VARIABLE = re.compile(r"\$\{(\w+)(?::?([-?])([^}]*))?\}")


@dataclass(frozen=True)
class Volume:
    """`source`: of this folder, beginning with a dot, or the name of a volume."""

    source: str
    target: str

    @property
    def is_of_this_folder(self) -> bool:
        return self.source.startswith(".")


@dataclass(frozen=True)
class Service:
    """One of its services, its variables replaced."""

    name: str
    settings: Mapping[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.settings.get("environment", {}).items()}

    @property
    def command(self) -> list[str]:
        return [str(word) for word in self.settings.get("command", [])]

    @property
    def volumes(self) -> list[Volume]:
        return [Volume(*str(volume).split(":")[:2]) for volume in self.settings.get("volumes", [])]

    @property
    def health_check(self) -> list[str]:
        kind, *words = self.settings["healthcheck"]["test"]
        return ["sh", "-c", *words] if kind == "CMD-SHELL" else words


def read_compose(given: Mapping[str, str]) -> dict[str, Service]:
    """All services by name. `given`: what `.env` says.

    :raises KeyError: a variable that must be set is not.
    """
    services = cast("dict[str, dict[str, Any]]", _replaced(read_document()["services"], given))
    return {name: Service(name, settings) for name, settings in services.items()}


def read_document() -> Any:
    """As it is written."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def variables() -> set[str]:
    """The names of all variables that it takes from `.env`."""
    return {match[1] for match in VARIABLE.finditer((ROOT / "docker-compose.yml").read_text())}


def image_environment() -> dict[str, str]:
    """What the Dockerfile's last stage sets."""
    last = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    [block] = re.findall(r"^ENV ((?:.*\\\n)*.*)$", last, re.MULTILINE)
    return dict(re.findall(r"(\w+)=(\S+)", block))


def start(
    service: Service, folder: Path, *more: str, replaced: Mapping[str, str] | None = None, **changed: str
) -> "subprocess.Popen[str]":
    """Its command with exactly its environment, but for names of hosts (`replaced`) and what is `changed`."""
    image = image_environment() | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment = {**image, **service.environment, **changed}
    for old, new in (replaced or {}).items():
        environment = {name: value.replace(old, new) for name, value in environment.items()}
    with (folder / f"{service.name}.log").open("a") as log:
        return subprocess.Popen(
            [*service.command, *more], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )


def _replaced(part: Any, given: Mapping[str, str]) -> Any:
    """A part of the document with the values of its variables: what is empty stays a text."""
    if isinstance(part, dict):
        return {key: _replaced(value, given) for key, value in cast("dict[str, Any]", part).items()}
    if isinstance(part, list):
        return [_replaced(value, given) for value in cast("list[Any]", part)]
    return VARIABLE.sub(lambda match: _value(match, given), part) if isinstance(part, str) else part


def _value(match: re.Match[str], given: Mapping[str, str]) -> str:
    name, kind, word = match.groups()
    if given.get(name):
        return given[name]
    if kind == "-":
        return word
    raise KeyError(f"{name}: {word}")
