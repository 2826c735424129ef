"""`barback typescript`: what it writes, and what it says when that is not what is declared."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from barback.contract.package import HEADER

Call = Callable[..., Any]


def test_what_was_written_is_up_to_date_until_a_declaration_changes(call: Call, project: Path) -> None:
    """P28."""
    assert call("typescript").out == "clients/typescript: 27 of 27 files written\n"
    checked = call("typescript", "--check")
    assert (checked.code, checked.out) == (0, "clients/typescript is up to date\n")
    greet = project / "clients/typescript/jobs/greet.d.ts"
    greet.write_text(greet.read_text().replace("howOften?:", "howOften:"))
    (project / "clients/typescript/jobs/gone.js").write_text(f"{HEADER}old\n")
    checked = call("typescript", "--check")
    assert checked.code == 1
    assert checked.out.splitlines()[:3] == [
        "--- jobs/gone.js (there)",
        "+++ jobs/gone.js (declared)",
        "@@ -1,2 +0,0 @@",
    ]
    assert "-  howOften: number | undefined;\n+  howOften?: number | undefined;\n" in checked.out
    assert checked.err == (
        "barback: clients/typescript is not up to date: run `barback typescript --out clients/typescript` "
        "and commit it.\n"
    )
    assert call("typescript").out == "clients/typescript: 2 of 27 files written\n"
    assert call("typescript", "--check").code == 0
    assert call("typescript").out == "clients/typescript is up to date\n"


def test_a_client_that_is_not_there_is_not_up_to_date(call: Call) -> None:
    assert call("typescript", "--check").code == 1


@pytest.mark.parametrize("name", ["mine.ts", "client.js"])
def test_a_folder_with_files_of_others_is_left_alone(name: str, call: Call, project: Path) -> None:
    (project / "web").mkdir()
    (project / "web" / name).write_text("export {};")
    refused = call("typescript", "--out", "web")
    assert refused.code == 2
    assert [path.name for path in (project / "web").iterdir()] == [name]
    assert "holds files that `barback typescript` did not write. Give it a folder of its own." in refused.err


def test_what_others_put_beside_the_client_stays(call: Call, project: Path) -> None:
    call("typescript")
    beside = [project / "clients/typescript" / name for name in ("README.md", "jobs/mine.js", ".git/HEAD", ".DS_Store")]
    for path in beside:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\x00\xff")
    assert call("typescript", "--check").code == 0
    (project / "clients/typescript/values.js").unlink()
    assert call("typescript").out == "clients/typescript: 1 of 27 files written\n"
    assert all(path.exists() for path in beside)


def test_what_could_not_be_written_to_the_end_is_written_by_the_next_run(
    call: Call, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, left = Path.replace, [3]

    def full(path: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device", str(target))
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        failed = call("typescript")
        assert (failed.code, "No space left on device" in failed.err) == (2, True)
    assert call("typescript").code == 0
    assert call("typescript", "--check").code == 0
    assert not list((project / "clients").rglob("*.new"))


def test_a_name_that_npm_does_not_take_is_refused(call: Call) -> None:
    refused = call("typescript", "--name", "My Shop")
    assert (refused.code, refused.out) == (2, "")
    assert "--name: npm takes no package named 'My Shop'." in refused.err


@pytest.mark.parametrize("arguments", [("--name", "@shop/jobs"), ()], ids=["given", "of the app"])
def test_the_package_has_the_name_that_is_given_or_that_of_the_app(
    arguments: tuple[str, ...], call: Call, project: Path
) -> None:
    call("typescript", *arguments)
    name = arguments[1] if arguments else "shop-jobs"
    assert f'"name": "{name}"' in (project / "clients/typescript/package.json").read_text()
