"""BullMQ's scripts, read from the installed package and checked against what this code was written for.

The manifest names each script used, its number of keys and the SHA-1 of its text: an upgrade of the pinned package
cannot change the ground unseen. Scripts of our own lie in `lua/`; what several of them need, in `lua/includes/`.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from barback.errors import DeclarationError

MANIFEST = Path(__file__).with_name("manifest.json")
OWN = Path(__file__).with_name("lua")
INCLUDE = re.compile(r"^-- @include (\w+)\n", re.MULTILINE)
OWN_KEYS = {
    "addCounts": 1,
    "addMany": 10,
    "cancelActive": 2,
    "exchange": 12,
    "failUnreadable": 5,
    "findRefused": 0,
    "forgetOldSuspects": 2,
    "keepPausedLayout": 3,
    "renewLocks": 2,
    "restoreOrphans": 10,
    "scanJobs": 2,
    "setAlone": 2,
    "setNotes": 1,
}
GUARDED = ("changePriority", "promote", "removeJob", "reprocessJob")
"""Of BullMQ's, those that can also be run behind `lua/includes/still_there.lua`, as `…IfStillThere`."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script as Redis is asked to run it."""

    name: str
    keys: int
    sha: str
    text: str


@cache
def load_scripts() -> dict[str, Script]:
    """All scripts by name.

    :raises DeclarationError: the installed `bullmq` is not the one this code was written for; names what differs.
    """
    manifest = json.loads(MANIFEST.read_text("utf-8"))
    folder = commands_folder()
    scripts: dict[str, Script] = {}
    wrong: list[str] = []
    for name, entry in manifest["scripts"].items():
        script = _read(folder / f"{name}-{entry['keys']}.lua", name, entry["keys"])
        if script is None or script.sha != entry["sha1"]:
            wrong.append(name)
        else:
            scripts[name] = script
    if wrong:
        raise DeclarationError(
            f"bullmq {metadata.version('bullmq')} is installed, but barback was written for {manifest['version']}: "
            f"{', '.join(wrong)} differ. Install bullmq=={manifest['version']}."
        )
    for name, keys in OWN_KEYS.items():
        own = _read(OWN / f"{name}.lua", name, keys)
        if own is None:
            raise DeclarationError(f"barback's own script {name}.lua is missing. Install barback again.")
        scripts[name] = own
    for name in GUARDED:
        guarded = _guard(scripts[name])
        scripts[guarded.name] = guarded
    return scripts


def commands_folder() -> Path:
    """Where the installed package keeps its scripts."""
    spec = find_spec("bullmq")
    if spec is None or spec.origin is None:
        raise DeclarationError("The package bullmq is not installed. Install barback with its dependencies.")
    return Path(spec.origin).parent / "commands"


def _read(path: Path, name: str, keys: int) -> Script | None:
    """None: there is none of that name and number of keys."""
    try:
        text = INCLUDE.sub(_included, path.read_text("utf-8"))
    except OSError:
        return None
    return _script(name, keys, text)


def _guard(script: Script) -> Script:
    guard = (OWN / "includes" / "still_there.lua").read_text("utf-8")
    return _script(f"{script.name}IfStillThere", script.keys, guard + script.text)


def _script(name: str, keys: int, text: str) -> Script:
    return Script(name, keys, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), text)


def _included(line: re.Match[str]) -> str:
    return (OWN / "includes" / f"{line[1]}.lua").read_text("utf-8")
