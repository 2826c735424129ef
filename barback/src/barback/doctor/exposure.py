"""Who can get at the dashboard, as far as its settings tell."""

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from barback.dashboard.signing_in.roles import Role
from barback.dashboard.signing_in.settings import DashboardSettings
from barback.finding import Finding

CHECK = "dashboard"
MOST_PROXIES = 256
"""Public addresses that may be proxies; more of them is everybody."""
SET_IT = "Set DASHBOARD_PASSWORD_HASH (barback dashboard hash), or another way to sign in: docs/sign-in.md."


def check_exposure(settings: DashboardSettings) -> Iterator[Finding]:
    """What would let in more people than it should."""
    if not _can_sign_in(settings):
        yield from _open(settings)
    yield from _origins(settings)
    if settings.proxy_user_header:
        yield from _proxies(settings)
    if settings.supabase_legacy_secret is not None:
        yield Finding(
            CHECK,
            "warning",
            "DASHBOARD_SUPABASE_JWT_SECRET is set: whoever has that secret can make sessions of anybody.",
            "Move the project to signing keys (Supabase: Settings, JWT keys), and take the secret out.",
        )


def _can_sign_in(settings: DashboardSettings) -> bool:
    password = settings.password or settings.password_hash
    return bool(password or settings.proxy_user_header or settings.supabase) or any(
        account.hashed for account in settings.further_accounts()
    )


def _open(settings: DashboardSettings) -> Iterator[Finding]:
    if public := [origin for origin in settings.origins if not _is_local(origin)]:
        yield Finding(
            CHECK,
            "error",
            f"People see the dashboard at {public[0]} (DASHBOARD_ORIGIN), and there is no way to sign in: behind a "
            "proxy on this machine whoever comes may be taken for its developer, an admin.",
            SET_IT,
        )
    elif settings.model_fields_set - {"supabase_url"}:
        text = "There is no way to sign in to the dashboard: it starts for this machine alone, whose people are admins."
        yield Finding(CHECK, "warning", text, SET_IT)


def _origins(settings: DashboardSettings) -> Iterator[Finding]:
    for origin in settings.origins:
        if origin.startswith("http://") and not _is_local(origin):
            text = f"DASHBOARD_ORIGIN {origin}: passwords and sessions go over the network as they are."
            yield Finding(CHECK, "warning", text, "Put TLS in front of it, and set https:// there.")


def _proxies(settings: DashboardSettings) -> Iterator[Finding]:
    for network in settings.trusted_proxies:
        if not network.is_private and network.num_addresses > MOST_PROXIES:
            yield Finding(
                CHECK,
                "error",
                f"DASHBOARD_TRUSTED_PROXY {network}: {network.num_addresses:,} public addresses may say who is signed "
                f"in ({settings.proxy_user_header}).",
                "Name the proxies' own addresses.",
            )
    if settings.proxy_role is Role.ADMIN:
        text = "DASHBOARD_PROXY_ROLE=admin: whoever the proxy lets in may remove jobs and pause queues."
        yield Finding(CHECK, "warning", text, "Set viewer, and name the admins in DASHBOARD_USERS (name:admin).")


def _is_local(origin: str) -> bool:
    host = urlsplit(origin).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
