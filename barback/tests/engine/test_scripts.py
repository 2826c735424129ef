"""BullMQ's scripts are the ones this code was written for, or it says so before it touches a queue."""

import hashlib
import json
import re
import shutil
from collections.abc import Generator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from barback.bullmq import scripts
from barback.bullmq.connection import Connection
from barback.bullmq.scripts import GUARDED, MANIFEST, OWN, OWN_KEYS, commands_folder, load_scripts
from barback.errors import DeclarationError

SOURCES = Path(scripts.__file__).parent


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """The package's scripts where a test may change them."""
    folder = tmp_path / "commands"
    shutil.copytree(commands_folder(), folder)
    monkeypatch.setattr(scripts, "commands_folder", lambda: folder)
    load_scripts.cache_clear()
    yield folder
    monkeypatch.undo()
    load_scripts.cache_clear()


def manifest() -> dict[str, Any]:
    return json.loads(MANIFEST.read_text("utf-8"))


def test_the_manifest_is_of_the_version_that_is_pinned_and_installed() -> None:
    assert manifest()["version"] == metadata.version("bullmq")
    requirements = metadata.requires("barback") or []
    assert f"bullmq=={manifest()['version']}" in requirements


@pytest.mark.parametrize("name", manifest()["scripts"])
def test_every_script_of_the_manifest_is_installed_with_its_number_of_keys_and_its_text(name: str) -> None:
    entry = manifest()["scripts"][name]
    text = (commands_folder() / f"{name}-{entry['keys']}.lua").read_bytes()
    assert hashlib.sha1(text).hexdigest() == entry["sha1"]
    script = load_scripts()[name]
    assert (script.keys, script.sha, script.text) == (entry["keys"], entry["sha1"], text.decode())


def test_every_script_that_the_code_runs_is_in_the_manifest_or_our_own() -> None:
    sources = "".join(path.read_text("utf-8") for path in SOURCES.glob("*.py"))
    run = set(re.findall(r'[._]script\(\s*"(\w+)"', sources)) | set(re.findall(r'_act\("\w+", queue, "(\w+)"', sources))
    assert {"moveToFinished", "addStandardJob", "renewLocks", "reprocessJob", "restoreOrphans"} <= run
    assert run <= set(load_scripts())


@pytest.mark.parametrize("name", OWN_KEYS)
def test_our_own_scripts_take_the_number_of_keys_that_is_said_of_them(name: str) -> None:
    text = (OWN / f"{name}.lua").read_text("utf-8")
    used = {int(number) for number in re.findall(r"KEYS\[(\d+)\]", text)}
    # A loop over `KEYS[i]` says its bounds.
    looped = {
        number for first, last in re.findall(r"for i = (\d+), (\d+) do", text) for number in (int(first), int(last))
    }
    assert max(used | looped, default=0) == OWN_KEYS[name] == load_scripts()[name].keys


@pytest.mark.parametrize("name", GUARDED)
def test_a_guarded_script_is_the_installed_one_behind_our_guard(name: str) -> None:
    guarded, plain = load_scripts()[f"{name}IfStillThere"], load_scripts()[name]
    assert guarded.text.endswith(plain.text)
    assert (guarded.keys, guarded.text.startswith("-- In front of a script")) == (plain.keys, True)


def test_every_script_of_our_own_has_its_number_of_keys() -> None:
    assert {path.stem for path in OWN.glob("*.lua")} == set(OWN_KEYS)


def test_a_changed_script_is_refused_by_name_with_the_version_to_install(copied: Path) -> None:
    for name in ("moveToActive-11.lua", "pause-7.lua"):
        with (copied / name).open("a") as script:
            script.write("\n-- changed")
    with pytest.raises(DeclarationError) as refused:
        Connection("redis://127.0.0.1:1", 1)
    assert str(refused.value) == (
        f"bullmq {metadata.version('bullmq')} is installed, but barback was written for 3.4.4: "
        "moveToActive, pause differ. Install bullmq==3.4.4."
    )


def test_a_script_that_takes_other_keys_now_is_refused_by_name_with_the_version_to_install(copied: Path) -> None:
    (copied / "moveToActive-11.lua").rename(copied / "moveToActive-12.lua")
    with pytest.raises(DeclarationError, match=r"moveToActive.*Install bullmq==3\.4\.4\.$"):
        load_scripts()


def test_a_call_with_another_number_of_keys_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError, match="addLog takes 2 keys, got 1"):
        Connection("redis://127.0.0.1:1", 1).script("addLog", ["a"])
