"""The command line: `barback work | dev | dashboard | enqueue | jobs | schedules | doctor | typescript | new`.

front.py       the group itself: options that come first, and how an error ends (one line, an exit code)
invocation.py  what every command is given: the project, the app, the settings
app_lookup.py  which app, and loading it
work.py        one worker, or (supervising.py) many of them
dev*.py        development: servers, reloading worker, announcement
printing.py    tables and JSON; nothing from outside reaches a terminal raw
"""

from barback.cli.dashboard import dashboard
from barback.cli.dev import dev, prepare
from barback.cli.doctor import doctor
from barback.cli.enqueue import enqueue
from barback.cli.front import main
from barback.cli.jobs import jobs
from barback.cli.new import new
from barback.cli.schedules import schedules
from barback.cli.typescript import typescript
from barback.cli.work import work

for command in (work, dev, prepare, dashboard, enqueue, jobs, schedules, doctor, typescript, new):
    main.add_command(command)

__all__ = ["main"]
