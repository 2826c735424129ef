"""P28: the generated client passes `tsc --strict`, and what is wrong does not."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import pytest

from .conftest import PACKAGES, Version, install_beside

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
RUNTIME = Path(str(files("barback.contract") / "runtime"))
OPTIONS = {
    "strict": True,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
    "noEmit": True,
    "target": "ES2022",
    "lib": ["ES2023", "ESNext.Disposable"],
    "types": ["node"],
    "module": "NodeNext",
    "skipLibCheck": False,
}


def make_project(folder: Path, clients: dict[Version, Path], version: Version) -> Path:
    """An app that has installed the client."""
    install_beside(folder, version)
    shutil.copytree(
        clients[version], folder / "node_modules" / "torture-jobs", ignore=shutil.ignore_patterns("node_modules")
    )
    (folder / "package.json").write_text('{"type": "module"}')
    shutil.copy(HERE / "usage.ts", folder)
    return folder


def tsc(project: Path, options: Mapping[str, object], *files: str) -> str:
    """What it has against them; empty: nothing."""
    config = {"compilerOptions": options, "files": files}
    (project / "tsconfig.json").write_text(json.dumps(config))
    program = ["node", str(PACKAGES / "typescript" / "bin" / "tsc"), "--pretty", "false"]
    return subprocess.run(program, cwd=project, capture_output=True, text=True, timeout=60, check=False).stdout


def test_what_fits_passes_tsc_and_each_payload_that_does_not_is_refused_by_it(
    clients: dict[Version, Path], version: Version, tmp_path: Path
) -> None:
    """P28. A line of `usage.ts` that is expected to be wrong and is not is an error too."""
    # As most apps have it: those who check the types of packages too are next.
    assert tsc(make_project(tmp_path, clients, version), {**OPTIONS, "skipLibCheck": True}, "usage.ts") == ""


@pytest.mark.slow
def test_its_own_types_pass_tsc_with_all_those_that_they_build_on(
    clients: dict[Version, Path], version: Version, tmp_path: Path
) -> None:
    """P28."""
    assert tsc(make_project(tmp_path, clients, version), OPTIONS, "usage.ts") == ""


def test_a_bundlers_way_of_finding_modules_finds_it_too(clients: dict[Version, Path], tmp_path: Path) -> None:
    """P28."""
    options = {**OPTIONS, "module": "ESNext", "moduleResolution": "bundler", "skipLibCheck": True}
    assert tsc(make_project(tmp_path, clients, 6), options, "usage.ts") == ""


def test_tsc_points_to_the_field_that_is_wrong(clients: dict[Version, Path], tmp_path: Path) -> None:
    """P28."""
    project = make_project(tmp_path, clients, 6)
    wrong = 'createClient({ keyed }, { connection: {} }).enqueue.keyed({ year: "2026" });'
    (project / "wrong.ts").write_text(f'import {{ createClient, keyed }} from "torture-jobs";\n{wrong}\n')
    said = tsc(project, {**OPTIONS, "skipLibCheck": True}, "wrong.ts")
    column = wrong.index("year") + 1
    assert said == f"wrong.ts(2,{column}): error TS2322: Type 'string' is not assignable to type 'number'.\n"


def test_the_example_of_the_documentation_passes_with_the_client_of_cafes(node: object, tmp_path: Path) -> None:
    """P28."""
    install_beside(tmp_path, 6)
    shutil.copytree(ROOT / "clients" / "typescript", tmp_path / "node_modules" / "cafes-jobs")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    example = (ROOT / "docs" / "typescript.md").read_text().partition("```ts\n")[2].partition("```")[0]
    (tmp_path / "example.ts").write_text(example)
    assert tsc(tmp_path, {**OPTIONS, "skipLibCheck": True}, "example.ts") == ""


def test_what_all_clients_share_is_what_its_source_compiles_to(node: object, tmp_path: Path) -> None:
    """P28. If not: `make client`."""
    program = ["node", str(PACKAGES / "typescript" / "bin" / "tsc"), "-p", str(RUNTIME), "--outDir", str(tmp_path)]
    assert subprocess.run(program, capture_output=True, text=True, timeout=60, check=False).stdout == ""
    for made in tmp_path.iterdir():
        assert made.read_text() == (RUNTIME / made.name).read_text(), made.name
