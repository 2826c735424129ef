"""The web address of a cafe."""

import re
from urllib.parse import urlsplit, urlunsplit

from cafes.rules.reasons import Reason, quoted
from cafes.rules.text import clean_text

_HOST = re.compile(r"(?!-)[\w-]{1,63}(?<!-)(\.(?!-)[\w-]{1,63}(?<!-))*\.[^\W\d_][\w-]{0,61}[^\W_]")
_LIKE_A_HOST = re.compile(_HOST.pattern + r"(:\d{1,5})?([/?#].*)?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE | re.ASCII)


def clean_link(given: str) -> tuple[str | None, Reason | None]:
    """An http or https address; or the reason why it is none; or neither if nothing is given.

    `https://` is put before what looks like a host. The host is lowercased, the rest is left alone. Idempotent.
    """
    text = clean_text(given)
    if not text:
        return None, None
    if text.startswith("//"):
        text = "https:" + text
    elif _LIKE_A_HOST.fullmatch(text):  # before schemes: cafe.de:8080 is a host, not scheme 'cafe.de'
        text = "https://" + text
    scheme = _SCHEME.match(text)
    if scheme and scheme[0].lower() not in ("http:", "https:"):
        return None, Reason("website_scheme", f"the link {quoted(text)} is neither http nor https")
    link = _normal(text)
    return (
        (link, None) if link else (None, Reason("website_unreadable", f"the link {quoted(text)} is not a web address"))
    )


def _normal(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # a bracket that never closes, a port that is no number
        return None
    host = parts.hostname or ""
    # A name or password before the host is how links lie about where they lead.
    if " " in text or "@" in parts.netloc or not parts.scheme or not _HOST.fullmatch(host):
        return None
    netloc = host if port is None else f"{host}:{port}"
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query, parts.fragment))
