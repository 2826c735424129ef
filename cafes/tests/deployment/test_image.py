"""The image holds all that the service runs, and no secret (P43)."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from .compose import ROOT
from .image import copied, instructions, is_let_through

MEMBERS = ("barback", "cafes")


def project(member: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]


def needed() -> Iterator[str]:
    """What a package is built from, and what says which others it needs."""
    yield from ("pyproject.toml", "uv.lock")
    for member in MEMBERS:
        yield from (f"{member}/pyproject.toml", f"{member}/{project(member)['readme']}", f"{member}/src")


def synced() -> list[str]:
    return [words for name, words in instructions() if name == "RUN" and words.startswith("uv sync")]


def test_all_that_packages_are_built_from_is_copied_to_its_place() -> None:
    assert {source for source, target in copied().items() if source == target} >= set(needed())


def test_what_is_copied_is_there_and_the_engine_is_given_it() -> None:
    for source in copied():
        files = list((ROOT / source).rglob("*.py")) or [ROOT / source]
        for file in files:
            assert file.is_file()
            assert is_let_through(str(file.relative_to(ROOT))), file


@pytest.mark.parametrize(
    "path",
    [
        ".env", ".env.local", "cafes/.env", "cafes/src/.env", "barback/src/barback/.env.local", ".git/config",
        ".venv/bin/python", "docker-compose.yml", "cafes/tests/rows.py", "barback/src/barback/__pycache__/app.pyc",
        "deploy/redis-users.acl",
    ],
)  # fmt: skip
def test_no_secret_and_nothing_that_is_not_needed_is_given_to_the_engine(path: str) -> None:
    assert not is_let_through(path)


def test_what_is_installed_is_what_is_locked_and_has_all_that_is_started() -> None:
    first, last = synced()
    for words in (first, last):
        assert {"--locked", "--no-dev", "--package cafes", "--extra dashboard"} <= options(words)
    assert "--no-install-workspace" in first, "before their code is there"
    assert "--no-editable" in last, "their code is not in the image"
    assert "barback[dashboard]" in project("cafes")["optional-dependencies"]["dashboard"]
    for program in ("barback", "cafes"):
        assert program in project(program)["scripts"]


def test_what_is_installed_is_copied_to_where_its_programs_are_found() -> None:
    [folder] = [words.split()[-1] for name, words in instructions() if name == "COPY" and "--from=build" in words]
    environment = " ".join(words for name, words in instructions() if name == "ENV")
    assert f"UV_PROJECT_ENVIRONMENT={folder} " in f"{environment} "
    assert f"PATH={folder}/bin:$PATH" in environment
    first, last = (words.split()[0] for name, words in instructions() if name == "FROM")
    assert first == last, "it is one Python that installs and that runs"


def test_nobody_is_root_and_what_stops_a_worker_reaches_it() -> None:
    said = dict(instructions())
    uid, gid = said["USER"].split(":")
    assert int(uid) > 0
    assert int(gid) > 0
    assert said["STOPSIGNAL"] == "SIGTERM"
    assert said["CMD"] == '["barback", "work"]', "no shell between"


def test_one_uv_builds_the_image_and_this_checkout() -> None:
    [version] = re.findall(r"^UV_VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert f"uv=={version} \\\n" in (ROOT / "deploy" / "uv.txt").read_text()
    assert copied()["deploy/uv.txt"] == "uv.txt"


def options(words: str) -> set[str]:
    """`--package cafes`, `--locked`: with their values."""
    return set(re.findall(r"--\S+(?: (?!--)\S+)?", words))
