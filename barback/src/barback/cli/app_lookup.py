"""Which app, and loading it: `--app`, else `BARBACK_APP`, else `[tool.barback] app` in the nearest pyproject.toml."""

import importlib
import os
import re
import sys
import tomllib
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from barback.app import AnyApp, App
from barback.errors import BarbackError, DeclarationError, UsageError, did_you_mean
from barback.logs import send_logs_of

VARIABLE = "BARBACK_APP"
OURS = Path(__file__).parents[1]


def find_project(start: Path) -> Path:
    """The nearest folder upward whose pyproject.toml has `[tool.barback]`; else `start` itself."""
    for folder in (start, *start.parents):
        if _tool_section(folder / "pyproject.toml") is not None:
            return folder
    return start


def find_app_path(given: str | None, project: Path) -> str:
    """The `package.module:attribute` of the app.

    :raises UsageError: nobody says which.
    """
    section = _tool_section(project / "pyproject.toml") or {}
    found = given or os.environ.get(VARIABLE) or section.get("app")
    if not found or not isinstance(found, str):
        raise UsageError(
            f"Which app? Give --app package.module:attribute, set {VARIABLE}, or write "
            'app = "package.module:attribute" under [tool.barback] in pyproject.toml.'
        )
    return found


def load_app(path: str, project: Path) -> AnyApp:
    """Import the module and take the app out of it.

    :raises UsageError: it is not there, is no app, or its import fails; says where.
    """
    module_name, _, attribute = path.partition(":")
    if not re.fullmatch(r"[\w.]+:\w+", path):
        raise UsageError(f"App: expected package.module:attribute, got {path!r}.")
    for folder in (project / "src", project, Path.cwd() / "src", Path.cwd()):
        if folder.is_dir() and str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    send_logs_of(module_name)
    module = _import(module_name, path)
    if not hasattr(module, attribute):
        known = _apps_in(module) or [name for name in vars(module) if not name.startswith("_")]
        raise UsageError(f"App '{path}': the module has no '{attribute}'.{did_you_mean(attribute, known)}")
    app: Any = getattr(module, attribute)
    if not isinstance(app, App):
        hint = did_you_mean(attribute, _apps_in(module))
        raise UsageError(f"App '{path}': expected a barback.App, got {type(app).__name__}.{hint}")
    found = cast("AnyApp", app)
    for job in found.registry.jobs:
        send_logs_of(job.handler.__module__)
    return found


def source_folders(app: AnyApp, path: str) -> list[Path]:
    """The folders of the app's own code, and of barback's if it is not an installed one: what a reload watches."""
    names = {path.partition(":")[0], __name__, *(job.handler.__module__ for job in app.registry.jobs)}
    found = {_folder_of(sys.modules[name.partition(".")[0]]) for name in names}
    return sorted(folder for folder in found if folder and "site-packages" not in folder.parts)


def _tool_section(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    try:
        return tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("barback")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{file} cannot be read: {error}.") from error


def _import(module_name: str, path: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except DeclarationError as error:
        raise DeclarationError(f"{error} ({_where(error)})") from error
    except BarbackError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise UsageError(f"App '{path}': there is no module '{error.name}'.") from error
        raise UsageError(
            f"App '{path}': its import fails with {type(error).__name__}: {error} ({_where(error)})"
        ) from error


def _where(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    # Of a declaration it is the line of the app that is wrong, not ours that says so ('<': no file at all).
    theirs = [f for f in frames if not f.filename.startswith("<") and not Path(f.filename).is_relative_to(OURS)]
    frame = (theirs or frames)[-1]
    return f"{frame.filename}, line {frame.lineno}"


def _apps_in(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if isinstance(value, App)]


def _folder_of(module: ModuleType) -> Path | None:
    file = module.__file__
    return Path(file).resolve().parent if file else None
