"""The TypeScript app may do all that npm bullmq does for it, as its own user of Redis (P44)."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .compose import ROOT
from .running import ENV, Running

PACKAGES = ROOT / "barback" / "tests" / "node" / "node_modules"


@pytest.mark.parametrize("bullmq", ["bullmq", "bullmq5"])
def test_all_that_npm_bullmq_and_the_generated_client_do_is_let_through(
    server: Running, bullmq: str, tmp_path: Path
) -> None:
    if not (PACKAGES / bullmq).is_dir():
        pytest.skip("npm bullmq is not installed: `make barback/tests/node/node_modules/.package-lock.json`")
    try:
        became = run_as("app", server, beside(bullmq, tmp_path))
    finally:
        server.clear()
    assert became.pop("add") == "done"
    assert len(became) > 25
    assert {step: told for step, told in became.items() if told != "done"} == {}


def run_as(user: str, server: Running, client: Path) -> dict[str, Any]:
    """What became of each step."""
    password = ENV[f"REDIS_{user.upper()}_PASSWORD"]
    connection = {"port": server.port, "username": user, "password": password, "db": 1, "maxRetriesPerRequest": None}
    script = Path(__file__).parent / "app_user.mjs"
    done = subprocess.run(
        ["node", str(script), json.dumps(connection), str(client)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def beside(bullmq: str, folder: Path) -> Path:
    """The generated client, with the packages that an app has; `bullmq`: which version."""
    client = folder / "client"
    shutil.copytree(ROOT / "clients" / "typescript", client, ignore=shutil.ignore_patterns("node_modules"))
    (client / "node_modules").mkdir()
    for name, package in (("bullmq", bullmq), ("zod", "zod")):
        (client / "node_modules" / name).symlink_to(PACKAGES / package)
    return client
