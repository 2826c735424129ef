"""The client that is committed for TypeScript."""

from pathlib import Path

from barback.contract.package import package
from cafes.app import app

FOLDER = Path(__file__).parents[2] / "clients" / "typescript"


def test_it_is_what_the_jobs_declare() -> None:
    """P28. If not: `make client`."""
    files = [path for path in FOLDER.rglob("*") if path.is_file() and "node_modules" not in path.parts]
    assert {path.relative_to(FOLDER).as_posix(): path.read_text("utf-8") for path in files} == package(app)
