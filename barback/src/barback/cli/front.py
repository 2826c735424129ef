"""The group that all commands hang from, and how an error ends: one line on stderr and an exit code.

0 done · 1 the work failed · 2 fix what you typed, set or declared · 130 interrupted
"""

import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn, cast

import click

from barback.cli.invocation import Invocation
from barback.errors import BarbackError, InvalidPayload
from barback.logs import configure_logging
from barback.printable import printable

INTERRUPTED = 130


class Front(click.Group):
    """A group whose errors are for the person at the terminal; `--debug` shows tracebacks."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run a command and exit. `standalone_mode` is click's and means nothing here."""
        invocation = Invocation()
        try:
            code: int | None = super().main(
                args, prog_name, complete_var, standalone_mode=False, obj=invocation, **extra
            )
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            code = INTERRUPTED
        except Exception as error:  # noqa: BLE001 — the last place where an error can become a line
            code = _report(error, invocation)
        sys.exit(code or 0)


def _report(error: Exception, invocation: Invocation) -> int:
    error = _alone(error)
    if invocation.debug:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    if isinstance(error, BarbackError):
        click.echo(f"barback: {_text(error)}", err=True)
        return error.exit_code
    hint = "" if invocation.debug else " (`barback --debug …` shows where)"
    click.echo(f"barback: {type(error).__name__}: {printable(str(error))}{hint}", err=True)
    return 1


def _alone(error: Exception) -> Exception:
    """What runs side by side ends in a group: the error in it, if it is just one."""
    if isinstance(error, ExceptionGroup):
        inner = cast("ExceptionGroup[Exception]", error).exceptions
        return _alone(inner[0]) if len(inner) == 1 else cast("Exception", error)
    return error


def _text(error: BarbackError) -> str:
    if isinstance(error, InvalidPayload):
        first = str(error).partition(": ")[0]
        return "\n".join(map(printable, [f"{first}:", *(f"  {line}" for line in error.fields)]))
    return "\n".join(map(printable, str(error).split("\n")))


@click.group(cls=Front, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--app", "app_path", metavar="PACKAGE.MODULE:ATTRIBUTE", help="The app, if pyproject.toml does not say.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(package_name="barback")
@click.pass_obj
def main(invocation: Invocation, app_path: str | None, debug: bool) -> None:
    """Background jobs for Python that speak BullMQ."""
    invocation.app_path = app_path
    invocation.debug = debug
    # To stderr: what is printed is the answer.
    configure_logging()
