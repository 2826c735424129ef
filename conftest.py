"""Imported before every test: makes the real packages known, lets CI skip nothing, gives property tests their time."""

import os

import pytest
from hypothesis import settings

# pytest names a test file after its path (`barback.tests.…`) and would make a package `barback` out of that folder, in
# which nothing of the real one is found. Where the real ones are imported already it takes those.
import barback
import cafes

__all__ = ["barback", "cafes"]

# How long one example takes is the machine's affair: beside other tests some take 200 ms, Hypothesis's deadline.
# What a failing example is worth is that everybody sees the same one: on CI, and by `HYPOTHESIS_PROFILE=ci`.
settings.register_profile("ci", derandomize=True, print_blob=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "here"))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """On CI a skipped test is a failed run: what it needs is installed there."""
    reporter: pytest.TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None or session.exitstatus != pytest.ExitCode.OK:
        return
    if skipped := reporter.getreports("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"{len(skipped)} skipped: CI may skip none.")
