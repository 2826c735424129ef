"""Puts a schedule into the text of an app's module, or leaves that to a person where it is not plain how. Pure."""

import ast
from collections.abc import Sequence

INDENT = "    "


def placed(text: str, attribute: str, import_line: str, schedule: str) -> str | None:
    """The module's text with the schedule in `attribute = App(…)` and what it needs imported; None: not safely."""
    try:
        # From the end to the beginning: what comes later does not move what was found before.
        with_schedule = _in_app(text, attribute, schedule)
        with_barback = _with_schedule_imported(with_schedule)
        changed = _with_import(with_barback, import_line)
        ast.parse(changed)
    except (_Unclear, SyntaxError):
        return None
    return changed


class _Unclear(Exception):
    """A person must look."""


def _in_app(text: str, attribute: str, schedule: str) -> str:
    call = _app_call(ast.parse(text), attribute)
    if any(given.arg is None for given in call.keywords):
        # `**more` may hold schedules already.
        raise _Unclear
    schedules = next((given.value for given in call.keywords if given.arg == "schedules"), None)
    if schedules is None:
        arguments = [*call.args, *(given for given in call.keywords)]
        return _with_item(text, call, arguments, f"schedules=({schedule},)")
    if not isinstance(schedules, ast.Tuple | ast.List):
        raise _Unclear
    return _with_item(text, schedules, schedules.elts, schedule)


def _app_call(module: ast.Module, attribute: str) -> ast.Call:
    for statement in module.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="App")) as call)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Call(func=ast.Name(id="App")) as call)
            ) if name == attribute:
                return call
            case _:
                pass
    raise _Unclear


def _with_item(text: str, brackets: ast.expr, items: Sequence[ast.expr | ast.keyword], item: str) -> str:
    """One more line before the bracket that closes; what stands in one line is broken into lines first."""
    lines = text.splitlines(keepends=True)
    first, last = brackets.lineno - 1, _line(brackets.end_lineno)
    if not items or any(_ends(it)[0] > last for it in items):
        raise _Unclear
    indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    if first == last:
        return "".join([*lines[:first], _broken(lines[first], brackets, items, item, indent), *lines[first + 1 :]])
    closing_alone = lines[last].lstrip()[:1] in (")", "]")
    if not closing_alone or not _has_comma(lines, _ends(items[-1])):
        raise _Unclear
    return "".join([*lines[:last], f"{indent}{INDENT}{item},\n", *lines[last:]])


def _broken(line: str, brackets: ast.expr, items: Sequence[ast.expr | ast.keyword], item: str, indent: str) -> str:
    # Positions count bytes, and are those of characters only where all are ASCII.
    if not line.isascii() or not line.endswith("\n") or "#" in line or brackets.end_col_offset is None:
        raise _Unclear
    # Of a call in which another one is broken, nobody but a formatter knows the form.
    before, after = line[: items[0].col_offset], line[brackets.end_col_offset - 1 :]
    if before.count("(") + before.count("[") - before.count(")") - before.count("]") > 1:
        raise _Unclear
    texts = [line[it.col_offset : it.end_col_offset] for it in items]
    inner = "".join(f"{indent}{INDENT}{text},\n" for text in [*texts, item])
    return f"{before}\n{inner}{indent}{after}"


def _with_schedule_imported(text: str) -> str:
    lines = text.splitlines(keepends=True)
    for statement in ast.parse(text).body:
        if not isinstance(statement, ast.ImportFrom) or statement.module != "barback":
            continue
        if any(it.name == "Schedule" and it.asname is None for it in statement.names):
            return text
        line = lines[statement.lineno - 1]
        if statement.lineno != statement.end_lineno or "#" in line or ";" in line or "(" in line:
            raise _Unclear
        if any(it.asname for it in statement.names):
            raise _Unclear
        # As ruff and isort sort: constants, classes, the rest.
        names = sorted(
            [*(it.name for it in statement.names), "Schedule"],
            key=lambda name: (not name.isupper(), name[:1].islower(), name),
        )
        lines[statement.lineno - 1] = f"from barback import {', '.join(names)}\n"
        return "".join(lines)
    raise _Unclear


def _with_import(text: str, import_line: str) -> str:
    """The line among those of its package, in their order."""
    module = ast.parse(text)
    wanted, name = _of(ast.parse(import_line).body[0])
    if name in _bound(module):
        raise _Unclear
    top = wanted.partition(".")[0]
    beside = [it for it in module.body if isinstance(it, ast.ImportFrom) and (it.module or "").split(".")[0] == top]
    if not beside or any(it.level for it in beside):
        raise _Unclear
    later = next((it for it in beside if (it.module or "") > wanted), None)
    at = later.lineno - 1 if later else _line(beside[-1].end_lineno) + 1
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:at], f"{import_line}\n", *lines[at:]])


def _of(statement: ast.stmt) -> tuple[str, str]:
    assert isinstance(statement, ast.ImportFrom)  # noqa: S101 — we made the line
    return statement.module or "", statement.names[0].name


def _bound(module: ast.Module) -> set[str]:
    """What the module gives a meaning to: variables, functions, classes, imports."""
    names = {it.id for it in ast.walk(module) if isinstance(it, ast.Name) and isinstance(it.ctx, ast.Store)}
    for statement in module.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            names |= {(it.asname or it.name).partition(".")[0] for it in statement.names}
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(statement.name)
    return names


def _line(end_lineno: int | None) -> int:
    return (end_lineno or 0) - 1


def _ends(node: ast.expr | ast.keyword) -> tuple[int, int]:
    return _line(node.end_lineno), node.end_col_offset or 0


def _has_comma(lines: Sequence[str], end: tuple[int, int]) -> bool:
    line, column = end
    return lines[line].encode()[column:].lstrip().startswith(b",")
