"""What is installed is what was locked, to the byte: every file has its hash, and comes from where it is published."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from .deployment.compose import ROOT

LISTED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
"""All files that git holds."""
NPM = [ROOT / name for name in LISTED if Path(name).name == "package-lock.json"]
NPMS = "https://registry.npmjs.org/"
OURS = {"barback", "barback-workspace", "cafes"}
ELSEWHERE = re.compile(
    r"index-url|find-links|tool\.uv\.index|^\s*(\w+:)?registry\s*=|UV_(DEFAULT_)?INDEX|--registry", re.MULTILINE
)
"""What sends an installer to another registry."""


def locked() -> list[dict[str, Any]]:
    """What `uv.lock` pins, our own packages left out."""
    packages: list[dict[str, Any]] = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    return [package for package in packages if package["name"] not in OURS]


def test_every_file_of_every_python_package_has_its_hash() -> None:
    for package in locked():
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
        assert files, package["name"]
        for file in files:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"]), package["name"]
            assert file["url"].startswith("https://files.pythonhosted.org/"), package["name"]
        assert package["source"] == {"registry": "https://pypi.org/simple"}


def test_uv_itself_is_installed_by_hash() -> None:
    text = (ROOT / "deploy" / "uv.txt").read_text()
    assert re.findall(r"^(\S+?)==", text, re.MULTILINE) == ["uv"]
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", text)) >= 2
    assert "--require-hashes -r" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("path", NPM, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_npm_package_has_its_hash(path: Path) -> None:
    packages: dict[str, dict[str, Any]] = json.loads(path.read_text())["packages"]
    for name, package in packages.items():
        # The root, and what lies in this checkout itself, come from nowhere.
        if name and not package.get("resolved", NPMS).startswith("file:"):
            assert package["integrity"].startswith("sha512-"), name
            # Some locks name no address: then npm asks its registry.
            assert package.get("resolved", NPMS).startswith(NPMS), name


def test_all_that_is_locked_is_audited() -> None:
    """By `make audit`, folder by folder."""
    recipe = subprocess.run(["make", "--dry-run", "audit"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    [folders] = re.findall(r"for folder in (.*); do npm audit", recipe)
    assert sorted(folders.split()) == sorted(str(path.parent.relative_to(ROOT)) for path in NPM)


def test_no_file_that_git_holds_leads_to_another_registry() -> None:
    names = {"pyproject.toml", "uv.toml", "uv.txt", "requirements.txt", ".npmrc", "pip.conf", "Dockerfile", "Makefile"}
    files = [ROOT / name for name in LISTED if Path(name).name in names]
    assert len(files) > 5
    for file in files:
        found = ELSEWHERE.search(file.read_text())
        assert found is None, f"{file.relative_to(ROOT)}: {found}"
