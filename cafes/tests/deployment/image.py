"""The Dockerfile and .dockerignore as an engine would read them: no engine runs here."""

import fnmatch
import re
from pathlib import PurePosixPath

from .compose import ROOT


def instructions() -> list[tuple[str, str]]:
    """`("COPY", "a b/")` and so on, of all stages; continued lines are one."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in text.splitlines() if line]


def copied() -> dict[str, str]:
    """What is copied from this folder, and to where in the image's folder."""
    lines = [words.split() for name, words in instructions() if name == "COPY" and "--from" not in words]
    return {source: _target(source, target) for *sources, target in lines for source in sources}


def is_let_through(path: str) -> bool:
    """Whether .dockerignore leaves this file or folder to the engine: the last line that fits decides."""
    left = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#") and _fits(path, line.removeprefix("!")):
            left = line.startswith("!")
    return left


def _fits(path: str, pattern: str) -> bool:
    """It, or a folder in which it lies."""
    parts = PurePosixPath(path).parts
    places = ["/".join(parts[: number + 1]) for number in range(len(parts))]
    if pattern.startswith("**/"):
        return any(fnmatch.fnmatch(part, pattern.removeprefix("**/")) for part in parts)
    return any(place.count("/") == pattern.count("/") and fnmatch.fnmatch(place, pattern) for place in places)


def _target(source: str, target: str) -> str:
    if not target.endswith("/"):
        return target
    return str(PurePosixPath(target) / PurePosixPath(source).name)
