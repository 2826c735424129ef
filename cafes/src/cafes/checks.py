"""What `barback doctor` looks at for this service: its database, its migrations, and which keys are where."""

import base64
import binascii
import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from barback import Finding
from barback.errors import SettingsError
from barback.settings import load_settings, read_variable, variables_given
from cafes.errors import StoreError, StoreUnavailable
from cafes.services import services_on_supabase
from cafes.settings import StoreSettings
from cafes.store.fitness import examine

WAITING = "Jobs wait until that is mended, up to four hours."
API_ANSWERS_IN_S = 5.0
PUBLIC = re.compile(r"(NEXT_PUBLIC|VITE|PUBLIC|REACT_APP|EXPO_PUBLIC)_")
"""What such a variable holds is built into pages: everybody can read it."""
KEY = "SUPABASE_SERVICE_ROLE_KEY"

# ── the database ────────────────────────────────────────────────────────────────────────────────────────


async def check_database() -> list[Finding]:
    """Whether Postgres can be reached, is migrated to this release, and lets us see and write the rows."""
    settings = load_settings(StoreSettings)
    try:
        url = settings.postgres_url()
    except SettingsError as error:
        if settings.supabase:
            return []
        text = str(error).splitlines()[-1].strip()
        return [Finding("database", "error", text, "No worker starts until there is one.")]
    try:
        return [Finding(one.check, one.level, one.text, one.advice) for one in await examine(url)]
    except StoreUnavailable as error:
        return [Finding("database", "error", str(error), WAITING)]


async def check_api() -> list[Finding]:
    """Whether the Supabase project answers, takes the key, and has what this release asks of it."""
    settings = load_settings(StoreSettings)
    if settings.supabase is None:
        return []
    try:
        async with services_on_supabase(settings.supabase, answer_timeout_s=API_ANSWERS_IN_S):
            return []
    except StoreUnavailable as error:
        return [Finding("database", "error", str(error), WAITING)]
    except StoreError as error:
        return [Finding("database", "error", str(error), "See docs/supabase.md.")]


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────


async def check_keys() -> list[Finding]:
    """Whether the service has the key of a service, and no page has it."""
    settings = load_settings(StoreSettings)
    key = settings.supabase_key.get_secret_value() if settings.supabase_key else None
    found = list(check_service_key(key, settings.supabase_url, time.time())) if key else []
    public = {name for names in variables_given().values() for name in names if PUBLIC.match(name)}
    return [*found, *check_public_keys({name: read_variable(name) or "" for name in public})]


def check_service_key(key: str, url: str | None, now: float) -> Iterator[Finding]:
    """Its kind and role. `url`: the project's; `now`: epoch seconds."""
    claims = read_claims(key)
    advice = "Take the secret key (sb_secret_…) of the project: Supabase, Settings, API keys."
    if key.startswith("sb_publishable_") or (claims is not None and claims.get("role") in ("anon", "authenticated")):
        kind = f"of role '{claims.get('role')}'" if claims else "a publishable one"
        text = f"{KEY} is {kind}: row-level security hides what is not published, and nothing can be written."
        yield Finding("key", "error", text, advice)
    elif claims is None:
        if not key.startswith("sb_secret_"):
            text = f"{KEY} is neither a secret key (sb_secret_…) nor a token (eyJ…)."
            yield Finding("key", "error", text, advice)
    elif claims.get("role") != "service_role":
        yield Finding("key", "error", f"{KEY} names no role that may write: 'service_role' is expected.", advice)
    if claims is None:
        return
    if isinstance(until := claims.get("exp"), int | float) and until < now:
        yield Finding("key", "error", f"{KEY} has expired.", advice)
    project = (urlsplit(url).hostname or "").partition(".")[0] if url else ""
    if isinstance(ref := claims.get("ref"), str) and url and ".supabase." in url and ref != project:
        text = f"{KEY} is of project '{ref}', and NEXT_PUBLIC_SUPABASE_URL of '{project}'."
        yield Finding("key", "error", text, "Take both from the same project.")


def check_public_keys(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that are built into pages, and hold a key that must not be there."""
    for name, value in sorted(environment.items()):
        if PUBLIC.match(name) and (
            value.startswith("sb_secret_") or (read_claims(value) or {}).get("role") == "service_role"
        ):
            text = f"{name} holds a service key, and pages show it to everybody who looks: it opens all of the data."
            yield Finding("key", "error", text, f"Revoke that key now; a new one goes into {KEY} alone.")


def read_claims(token: str) -> Mapping[str, Any] | None:
    """What a JWT says of itself, unchecked; None: it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return None
    return cast("dict[str, Any]", claims) if isinstance(claims, dict) else None
