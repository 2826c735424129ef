"""The dashboard: an ASGI app that shows the queues and acts on them. Needs `barback[dashboard]`.

app.py      puts it together: `create_app(control, live)`
control.py  all it knows of queues and may do to them; pages never touch the broker themselves
live.py     one reader a process that tells all tabs when something happened
pages.py    templates, links, answers; formatting.py what templates say of values
routes/     one module a noun
serving.py  runs it by itself, at a path and an address
"""

from barback.dashboard.app import create_app
from barback.dashboard.control import Control
from barback.dashboard.live import Live

__all__ = ["Control", "Live", "create_app"]
