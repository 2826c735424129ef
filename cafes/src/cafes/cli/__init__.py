"""The command line: `cafes import | demo | migrate | sample`.

Commands import what they need when they run: a wrong setting is then an error of theirs, told like any other.
"""

from cafes.cli.demo import demo
from cafes.cli.front import main
from cafes.cli.importing import import_
from cafes.cli.migrate import migrate
from cafes.cli.sample import sample

for command in (import_, demo, migrate, sample):
    main.add_command(command)

__all__ = ["main"]
