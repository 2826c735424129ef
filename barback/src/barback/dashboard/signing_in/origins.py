"""A page of somebody else's must not make a signed-in browser do things (CSRF). No tokens: browsers say who asks.

https://web.dev/articles/fetch-metadata. `Sec-Fetch-Site` is sent to HTTPS and to this machine; over plain HTTP there is
`Origin`. What sends neither is no browser, and must say `Sec-Fetch-Site: none`.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from barback.dashboard.signing_in.callers import Caller


def is_own(headers: Headers, caller: Caller, origins: Sequence[str]) -> bool:
    """Whether one of our pages sent it, or the person themselves. `origins`: where else people see the dashboard."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin", "").lower()
    if not origin.startswith(("http://", "https://")):
        return False
    return origin in origins or (bool(caller.host) and _host(origin) == caller.host)


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
