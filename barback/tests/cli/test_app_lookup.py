"""Which app a command is for, and what is said when it cannot be loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from barback.cli.app_lookup import find_app_path, find_project

Call = Callable[..., Any]

# `enqueue` with a payload that is no JSON loads the app and goes no further.
LOADS = ("enqueue", "greet", "{")


def test_an_option_wins_over_the_environment_which_wins_over_the_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BARBACK_APP", raising=False)
    assert find_app_path(None, project) == "shop.app:app"
    monkeypatch.setenv("BARBACK_APP", "b:app")
    assert find_app_path(None, project) == "b:app"
    assert find_app_path("a:app", project) == "a:app"


def test_the_project_is_found_from_a_folder_within(project: Path) -> None:
    assert find_project(project / "src" / "shop") == project


def test_a_nearer_file_that_says_nothing_of_barback_is_passed_over(project: Path) -> None:
    (project / "src" / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    assert find_project(project / "src" / "shop") == project


def test_a_folder_without_any_project_is_its_own(tmp_path: Path) -> None:
    assert find_project(tmp_path) == tmp_path


def test_without_any_app_it_names_all_three_ways(call: Call, project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.barback]\n")
    result = call(*LOADS)
    assert result.code == 2
    assert "Give --app package.module:attribute, set BARBACK_APP, or write" in result.err


def test_a_file_that_is_no_toml_is_named(call: Call, project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.barback\n")
    result = call(*LOADS)
    assert result.code == 2
    assert f"{project / 'pyproject.toml'} cannot be read" in result.err


@pytest.mark.parametrize("path", ["shop.app", "shop.app:", ":app", "shop/app.py:app", "shop.app:app.x"])
def test_a_path_of_another_form_is_refused(call: Call, path: str) -> None:
    result = call("--app", path, *LOADS)
    assert (result.code, result.err) == (2, f"barback: App: expected package.module:attribute, got {path!r}.\n")


def test_a_module_that_is_not_there_is_named(call: Call) -> None:
    result = call("--app", "shop.ap:app", *LOADS)
    assert (result.code, result.err) == (2, "barback: App 'shop.ap:app': there is no module 'shop.ap'.\n")


def test_a_misspelt_attribute_is_told_the_right_one(call: Call) -> None:
    result = call("--app", "shop.app:ap", *LOADS)
    assert result.code == 2
    assert result.err == "barback: App 'shop.app:ap': the module has no 'ap'. Did you mean 'app'?\n"


def test_what_is_no_app_is_refused(call: Call) -> None:
    result = call("--app", "shop.app:jobs", *LOADS)
    assert result.code == 2
    assert result.err.startswith("barback: App 'shop.app:jobs': expected a barback.App, got module.")


def test_an_import_that_fails_within_says_where(call: Call, project: Path) -> None:
    broken = project / "src" / "shop" / "jobs" / "greet.py"
    broken.write_text("\nimport nowhere_at_all\n")
    result = call(*LOADS)
    assert result.code == 2
    assert "its import fails with ModuleNotFoundError: No module named 'nowhere_at_all'" in result.err
    assert f"({broken}, line 2)" in result.err
    assert "Traceback" not in result.err


def test_a_syntax_error_says_where(call: Call, project: Path) -> None:
    broken = project / "src" / "shop" / "jobs" / "greet.py"
    broken.write_text("x = 1\nx = = 2\n")
    result = call(*LOADS)
    assert result.code == 2
    assert "its import fails with SyntaxError" in result.err
    assert f"({broken}, line 2)" in result.err


def test_a_wrong_declaration_is_said_in_its_own_words(call: Call, project: Path) -> None:
    (project / "src" / "shop" / "jobs" / "greet.py").write_text("from barback import job\njob('a:b', queue='q')\n")
    result = call(*LOADS)
    assert result.code == 2
    assert result.err.startswith("barback: Job name 'a:b' cannot be used")


def test_a_schedule_that_cannot_work_is_refused_at_start_with_its_line(call: Call, project: Path) -> None:
    app = project / "src" / "shop" / "app.py"
    app.write_text(app.read_text().replace('"0 3 * * *"', '"0 3 31 2 *"'))
    line = 1 + app.read_text().splitlines().index(next(row for row in app.read_text().splitlines() if "31 2" in row))
    result = call(*LOADS)
    assert result.code == 2
    assert result.err.startswith("barback: Schedule 'nightly': pattern '0 3 31 2 *' ")
    assert f"({app}, line {line})" in result.err
