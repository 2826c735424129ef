"""`cafes demo`: the whole path in one process, and what it says of it."""

import json
from collections import Counter
from pathlib import Path

import pytest

from cafes import demo, sample
from cafes.store.audit import Audit

from .conftest import Cafes

KEYS = "imported processed published needs_review duplicates failed refused cities seconds recount_equal worker_rss_mb"

HOSTILE = (
    'name;city;address;lat;lon\r\n"Café ""Blau""";Köln;Domplatz 1;;\r\n\r\n'
    'CAFÉ "BLAU";koeln;Domplatz  1;;\r\nCafé Rot;Düsseldorf;Weg 1;951;6\r\n;Köln;;;\r\n'
    '"Offen;Köln;;;\r\nCafé Grün;duesseldorf;Weg 2;51,2;6,7\r\nCafé;Köln;a;;;zu viel\r\n'
    "北京咖啡;北京;王府井大街 1;;\r\n"
)


def last_json(output: str) -> dict[str, object]:
    return json.loads(output.splitlines()[-1])


def test_the_sample_is_worked_to_the_end(cafes: Cafes) -> None:
    """C1, C2."""
    done = cafes("demo", "--json")
    assert done.returncode == 0, done.stderr
    result = last_json(done.stdout)
    assert list(result) == KEYS.split()
    rows = list(sample.rows(sample.DEFAULT_ROWS))
    assert result["refused"] == sum(not row["name"] or not (row["city"] or row["city_slug"]) for row in rows)
    assert (result["imported"], result["cities"]) == (len(rows) - int(str(result["refused"])), 12)
    assert (result["failed"], result["recount_equal"]) == (0, True)
    assert "rows refused" in done.stderr


@pytest.mark.slow
def test_a_hostile_file_is_worked_to_the_end(cafes: Cafes, tmp_path: Path) -> None:
    """C1, C4, C5."""
    file = tmp_path / "hostile.csv"
    file.write_text(HOSTILE, encoding="utf-16", newline="")
    done = cafes("demo", file, "--json")
    assert done.returncode == 0, done.stderr
    result = last_json(done.stdout)
    assert (result["imported"], result["refused"]) == (5, 3)
    assert (result["published"], result["needs_review"], result["duplicates"]) == (3, 1, 1)
    assert (result["processed"], result["cities"]) == (5, 3)


@pytest.mark.slow
def test_a_table_is_printed_without_json_and_settings_of_a_real_service_are_not_touched(
    cafes: Cafes, tmp_path: Path
) -> None:
    file = tmp_path / "cafes.csv"
    file.write_text("name,city,address\nCafé Blau,Köln,Domplatz 1\n")
    down = {"REDIS_URL": "redis://127.0.0.1:1", "DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    done = cafes("demo", file, **down)
    assert done.returncode == 0
    assert "recount equal" in done.stdout
    assert "{" not in done.stdout


def test_a_wrong_file_stops_the_demo_before_a_server_starts(cafes: Cafes, tmp_path: Path) -> None:
    done = cafes("demo", tmp_path / "missing.csv", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be read" in done.stderr


@pytest.mark.parametrize(
    ("failed", "stored"),
    [
        (1, Audit(1, 1, 0, 0, 1, ())),
        (0, Audit(1, 1, 0, 0, 1, ("koeln",))),
        (0, Audit(2, 1, 0, 0, 1, ())),
    ],
    ids=["a failed job", "wrong statistics", "a cafe left"],
)
def test_only_a_clean_end_is_a_good_one(failed: int, stored: Audit) -> None:
    """C2."""
    from barback.worker_options import WorkerReport
    from cafes.importing.importer import ImportReport

    taken_one = ImportReport(Counter({"cafes.csv": 1}))
    assert not demo._result(taken_one, WorkerReport(failed=failed), stored, 1.0).is_good
    good = demo._result(taken_one, WorkerReport(), Audit(1, 1, 0, 0, 1, ()), 1.0)
    assert good.is_good


@pytest.mark.slow
def test_twenty_five_thousand_cafes_are_worked_within_flat_memory(cafes: Cafes, tmp_path: Path) -> None:
    """C1, C2. What grows with the rows would show."""
    file = tmp_path / "big.csv"
    sample.write_file(file, 25_000)
    result = last_json(cafes("demo", file, "--json").stdout)
    assert int(str(result["imported"])) + int(str(result["refused"])) == 25_000
    assert (result["failed"], result["recount_equal"]) == (0, True)
    assert int(str(result["worker_rss_mb"])) < 120
