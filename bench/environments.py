"""Where each peer's libraries are: an environment of its own under `bench/.envs`, made once for what is pinned.

No peer ever becomes a dependency of the project: nothing outside `bench/peers` names one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.failures import PeerFailed

HERE = Path(__file__).parent
PEERS = HERE / "peers"
ENVIRONMENTS = HERE / ".envs"
ROOT = HERE.parent
UV = ROOT / ".tools" / "bin" / "uv"
OURS = "barback"


def make_environment(name: str) -> Path:
    """The folder with the peer's programs (`python`, `taskiq`, …); for Node its `node_modules`.

    :raises PeerFailed: it cannot be made.
    """
    if name == OURS:
        return Path(sys.executable).parent
    return _make_node() if (PEERS / name / "package.json").exists() else _make_python(name)


def _make_python(name: str) -> Path:
    folder, pins = ENVIRONMENTS / name, PEERS / name / "requirements.txt"
    if not _is_made(folder, pins):
        shutil.rmtree(folder, ignore_errors=True)
        _run(name, str(UV), "venv", "--quiet", str(folder))
        _run(
            name,
            str(UV),
            "pip",
            "install",
            "--quiet",
            "--compile-bytecode",
            f"--python={folder}/bin/python",
            f"--requirements={pins}",
        )
        _note(folder, pins)
    return folder / "bin"


def _make_node() -> Path:
    name = "node"
    folder, pins = ENVIRONMENTS / name, PEERS / name / "package-lock.json"
    if not _is_made(folder, pins):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(PEERS / name / "package.json", folder)
        shutil.copy(pins, folder)
        _run(name, "npm", "ci", f"--prefix={folder}", "--no-audit", "--no-fund", "--loglevel=error")
        _note(folder, pins)
    return folder / "node_modules"


def _is_made(folder: Path, pins: Path) -> bool:
    made = folder / "made-for"
    return made.exists() and made.read_text("utf-8") == pins.read_text("utf-8")


def _note(folder: Path, pins: Path) -> None:
    # Last: an environment that was interrupted in the making is made anew.
    shutil.copy(pins, folder / "made-for")


def _run(name: str, *command: str) -> None:
    # This very Python: uv shall not download one.
    environment = {"UV_PYTHON": sys.executable, **os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    # uv would take the environment that we run in for the one that is meant.
    environment.pop("VIRTUAL_ENV", None)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except OSError as error:
        raise PeerFailed(f"{name}: its environment cannot be made: {command[0]}: {error.strerror}.") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise PeerFailed(f"{name}: its environment cannot be made: {lines[-1]}")
