"""Commands as real processes, away from any `.env` of the project."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Cafes = Callable[..., subprocess.CompletedProcess[str]]

UNSET = (
    "DATABASE_URL",
    "REDIS_URL",
    "REDIS_DB",
    "BARBACK_PREFIX",
    "NEXT_PUBLIC_SUPABASE_URL",
    "SUPABASE_SERVICE_ROLE_KEY",
)


@pytest.fixture
def cafes(tmp_path: Path) -> Cafes:
    """Run `cafes …` with these variables set."""

    def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name not in UNSET} | variables
        return subprocess.run(
            [sys.executable, "-c", "from cafes.cli import main; main(prog_name='cafes')", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=400,  # A minute where nothing else runs.
            cwd=tmp_path,
            env=environment,
            check=False,
        )

    return run
