"""What was measured on: the machine, and the versions of all that took part."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.environments import ENVIRONMENTS, OURS
from bench.roster import Peer
from bench.server import Server


def describe_machine(server: Server) -> dict[str, str]:
    """By what it is; no name of a host, no path."""
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}",
        "Python": platform.python_version(),
        "Node": _said("node", "--version").removeprefix("v"),
        "Redis": server.version,
    }


def versions_of(peer: Peer) -> str:
    """`bullmq 6.7.0, ioredis 5.11.1`: as pinned, which is as installed."""
    if peer.name == OURS:
        return ", ".join(f"{package} {version(package)}" for package in peer.packages)
    if (peer.folder / "package.json").exists():
        modules = ENVIRONMENTS / peer.name / "node_modules"
        return ", ".join(f"{package} {_node_version(modules / package)}" for package in peer.packages)
    pins = dict(
        line.split("==", 1) for line in (peer.folder / "requirements.txt").read_text("utf-8").split() if "==" in line
    )
    return ", ".join(f"{package} {pins[package]}" for package in peer.packages)


def _node_version(folder: Path) -> str:
    return _said("node", "-p", f"require({str(folder / 'package.json')!r}).version")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
