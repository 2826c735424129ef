"""Medians and ratios of what was measured."""

from pathlib import Path

import pytest

from bench import results as room
from bench.results import Results, load, save


def _of(*rates: float) -> Results:
    results = Results()
    for rate in rates:
        results.add("c100", "barback", {"jobs_per_s": rate, "end_mb": 66.0, "quarter_mb": 60.0})
    results.add("c100", "node", {"jobs_per_s": 50.0})
    return results


def test_a_median_is_over_the_rounds() -> None:
    assert _of(100.0, 900.0, 110.0).median("c100", "barback", "jobs_per_s") == 110.0


def test_what_was_not_measured_has_no_median_and_no_ratio() -> None:
    results = _of(100.0)
    assert results.median("c100", "stock", "jobs_per_s") is None
    assert results.median("c1", "barback", "jobs_per_s") is None
    assert results.ratio("c100", "jobs_per_s", "barback", "stock") is None
    assert results.ratio("c100", "p50_ms", "barback", "node") is None


def test_a_ratio_is_of_the_two_medians() -> None:
    assert _of(100.0, 900.0, 110.0).ratio("c100", "jobs_per_s", "barback", "node") == 2.2
    assert _of(100.0).ratio_of("c100", "barback", "end_mb", "quarter_mb") == 1.1


def test_what_is_saved_is_what_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "FOLDER", tmp_path / "results")
    results = _of(100.0, 200.0)
    results.failures.append("rq: it said nothing")
    save(results, "quick")
    assert load("quick") == results
