"""Where to go after signing in: a page of the dashboard, whatever the address says. Pure."""

import re
from urllib.parse import unquote

LENGTH_LIMIT = 2_000
DECODINGS = 5
"""Proxies decode an address again and again: `%252e` is a dot to the second one."""


def safe_next(given: str, prefix: str) -> str:
    """The given address if it leads to a page below `prefix` (no slash at its end), else the overview.

    Taken are absolute paths, with a query or not, of printable ASCII. Nothing in it may be read as another host
    (`//evil`, `/\\evil`), as a way up (`/..`, `/%2e%2e`), or as a second header.
    """
    home = home_of(prefix)
    if len(given) > LENGTH_LIMIT or not re.fullmatch(r"/[\x21-\x7e]*", given):
        return home
    path = re.split(r"[?#]", given, maxsplit=1)[0]
    if not (path == prefix or path.startswith(f"{prefix}/")) or not _is_plain(path):
        return home
    return home + given[len(path) :] if path == f"{prefix}/" else given


def home_of(prefix: str) -> str:
    """The overview's address: never with a slash at its end, as Next.js would redirect to the form without."""
    return prefix or "/"


def _is_plain(path: str) -> bool:
    for _ in range(DECODINGS):
        if "//" in path or "\\" in path or not path.isprintable() or {".", ".."} & set(path.split("/")):
            return False
        decoded = unquote(path)
        if decoded == path:
            return True
        path = decoded
    return False
