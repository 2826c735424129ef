"""What the browser is sent: exactly what was published, with its licence, and little of it."""

import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from barback.dashboard.templates import HERE, STATIC

VENDOR = STATIC / "vendor"
MANIFEST: Sequence[Mapping[str, Any]] = json.loads((VENDOR / "manifest.json").read_text())
MOST_BYTES = 60 * 1024
"""Of a first load, gzipped: all scripts and styles that any page asks for, and the largest template."""


def test_each_file_is_the_one_that_was_published() -> None:
    listed = {file["file"]: file["sha256"] for package in MANIFEST for file in package["files"]}
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.iterdir()
        if path.name != "manifest.json"
    }
    assert found == listed


def test_each_package_has_a_version_and_brings_its_licence() -> None:
    for package in MANIFEST:
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
        assert package["license"] in ("0BSD", "MIT")
        assert any(file["file"].endswith(".LICENSE") for file in package["files"])


def test_a_first_load_is_small() -> None:
    sent = [path for path in STATIC.rglob("*") if path.suffix in (".js", ".css", ".svg")]
    sent += [HERE / "templates" / "layout.html", HERE / "templates" / "job.html", HERE / "templates" / "icons.html"]
    assert sum(len(gzip.compress(path.read_bytes())) for path in sent) < MOST_BYTES


def test_nothing_comes_from_elsewhere_and_nothing_is_inline() -> None:
    for template in (HERE / "templates").iterdir():
        text = template.read_text()
        assert not re.search(r"(src|href)=[\"']?(https?:)?//", text), template
        assert not re.search(r"<style|style=|<script(?! src=)| on[a-z]+=|javascript:", text), template
