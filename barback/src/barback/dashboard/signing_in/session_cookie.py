"""The cookie in which Supabase's libraries (`@supabase/ssr`) keep a session. Pure.

The session is JSON, since 0.4 in base64url after `base64-`. What is too large for one cookie is cut into `<name>.0`,
`<name>.1` and so on.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote, urlsplit

PREFIX = "base64-"
CHUNKS = 20


def usual_name(supabase_url: str) -> str:
    """`sb-<project>-auth-token`, as supabase-js makes it from the address."""
    return f"sb-{(urlsplit(supabase_url).hostname or '').partition('.')[0]}-auth-token"


def access_token(cookies: Mapping[str, str], name: str) -> str | None:
    """The access token in the cookies; None: there is none that can be read."""
    text = cookies.get(name) or _joined(cookies, name)
    if not text:
        return None
    try:
        plain = _decode(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else unquote(text)
        session: Any = json.loads(plain)
    except (ValueError, RecursionError):
        return None
    token = cast("dict[str, Any]", session).get("access_token") if isinstance(session, dict) else None
    return token if isinstance(token, str) else None


def _joined(cookies: Mapping[str, str], name: str) -> str:
    chunks: list[str] = []
    while len(chunks) < CHUNKS and (chunk := cookies.get(f"{name}.{len(chunks)}")):
        chunks.append(chunk)
    return "".join(chunks)


def _decode(text: str) -> str:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8")
