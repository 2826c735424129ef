"""Cheap hashes, and no settings but those of the test."""

import os
from pathlib import Path

import pytest

from barback.dashboard.signing_in import passwords


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("DASHBOARD_", "NEXT_PUBLIC_SUPABASE")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheapest that the settings still take: 20 wrong tries shall not last 20 s."""
    monkeypatch.setattr(passwords, "COST", passwords.COST_LEAST)
    monkeypatch.setattr(passwords, "PARALLEL", 1)
    monkeypatch.setattr(passwords, "BLOCK", 1)
