"""Servers for development that need nothing installed: Valkey and Postgres from wheels, data in a folder.

Only `barback dev`, demos and tests start them; `barback work` never does.

    guard.py            a small process of its own between us and a server: when we are gone, so is the server
    guarded_process.py  our end of that
    data_folder.py      one server over one folder; short paths for sockets
    valkey.py, postgres.py
"""

from barback.embedded.postgres import EmbeddedPostgres
from barback.embedded.valkey import EmbeddedValkey

__all__ = ["EmbeddedPostgres", "EmbeddedValkey"]
