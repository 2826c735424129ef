"""No source file turns data into code (P45): none unpickles, evaluates, or imports by a name, but where it says why."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for package in ("barback", "cafes") for path in (ROOT / package / "src").rglob("*.py"))

MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "jsonpickle",
    "runpy",
    "imp",
    "code",
}
"""What makes objects or runs code out of what it reads."""
CALLS = {"eval", "exec", "compile", "__import__", "import_module", "spec_from_file_location", "run_path"}
"""By their last name, whatever they are called on; `re.compile` is another thing and passes."""
LOADERS = {"load", "load_all", "unsafe_load", "full_load"}
"""Of yaml: with the loaders that make any object."""

ALLOWED = {
    ("barback/src/barback/cli/app_lookup.py", "import_module"): "the app that whoever runs the command names",
    ("barback/src/barback/registry.py", "import_module"): "the modules that lie in the app's own package of jobs",
    ("barback/src/barback/processes/child.py", "import_module"): (
        "a job's own module, named by the worker that started this process and has imported it already"
    ),
}


def uses(source: str) -> Iterator[str]:
    """What in a file's text would turn data into code, by name."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.partition(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                if module.partition(".")[0] in MODULES:
                    yield module
                # Under another name it would not be seen where it is called.
                yield from (name.name for name in names if name.name in CALLS and module != "re")
            case ast.Name(id=name) if name in CALLS:
                yield name
            case ast.Attribute(value=value, attr=name) if name in CALLS and not _is(value, "re"):
                yield name
            case ast.Attribute(value=value, attr=name) if name in LOADERS and _is(value, "yaml"):
                yield f"yaml.{name}"
            case _:
                pass


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def test_nothing_turns_data_into_code_but_what_is_allowed_and_why() -> None:
    found = {(str(path.relative_to(ROOT)), use) for path in SOURCES for use in uses(path.read_text())}
    assert len(SOURCES) > 200
    assert found == ALLOWED.keys()


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import marshal as m",
        "from pickle import loads",
        "from shelve import open",
        "eval(text)",
        "run = exec",
        "builtins.eval(text)",
        "__import__(name)",
        "import importlib\nimportlib.import_module(name)",
        "from importlib import import_module as load",
        "compile(text, '', 'exec')",
        "yaml.load(text)",
        "yaml.unsafe_load(text)",
    ],
)
def test_it_is_seen_in_any_of_its_forms(source: str) -> None:
    assert list(uses(source))


@pytest.mark.parametrize("source", ["re.compile(text)", "json.loads(text)", "yaml.safe_load(text)", "broker.load(x)"])
def test_what_only_looks_like_it_passes(source: str) -> None:
    assert not list(uses(source))
