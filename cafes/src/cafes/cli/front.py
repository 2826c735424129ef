"""The group that all commands hang from, and how an error ends: one line on stderr and an exit code.

0 done · 1 the work failed · 2 fix what you typed, set or declared · 130 interrupted
"""

import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import click

from barback.errors import BarbackError
from barback.printable import printable

INTERRUPTED = 130


@dataclass
class Invocation:
    """One call of the command line."""

    debug: bool = False


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
            code: int = super().main(args, prog_name, complete_var, standalone_mode=False, obj=invocation, **extra) or 0
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            code = INTERRUPTED
        except BrokenPipeError:
            # `cafes sample | head`: whoever read has seen enough.
            sys.stdout = None
            code = 0
        except Exception as error:  # noqa: BLE001 — the last place where an error can become a line
            code = _report(error, invocation.debug)
        sys.exit(code)


def _report(error: Exception, debug: bool) -> int:
    if debug:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    if isinstance(error, BarbackError):
        click.echo("cafes: " + "\n".join(map(printable, str(error).splitlines())), err=True)
        return error.exit_code
    hint = "" if debug else " (`cafes --debug …` shows where)"
    click.echo(f"cafes: {type(error).__name__}: {printable(str(error))}{hint}", err=True)
    return 1


@click.group(cls=Front, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(package_name="cafes")
@click.pass_obj
def main(invocation: Invocation, debug: bool) -> None:
    """The background jobs of a cafe directory. `barback` works them; this fills and looks."""
    invocation.debug = debug
