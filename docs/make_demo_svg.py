"""Draws docs/demo.svg: what `cafes demo` prints in a terminal. Run it by `make picture`."""

import os
import re
import subprocess
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 76


def main() -> None:
    """Run the demo and keep its last screen."""
    environment = os.environ | {"COLUMNS": str(WIDTH)}
    done = subprocess.run(
        ["cafes", "demo"],  # noqa: S607 — the one of this environment
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
        text=True,
    )
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        console.print(Text("$ make demo", style="bold"))
        console.print(Text(done.stdout))
        # The reader's own monospace font: a picture in a README shall load nothing.
        picture = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="make demo"), flags=re.DOTALL)
        Path(__file__).with_name("demo.svg").write_text(picture, "utf-8")


if __name__ == "__main__":
    main()
