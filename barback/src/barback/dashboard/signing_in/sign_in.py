"""Puts sign-in together: from the settings to a wall around the app and a page in front of it."""

import hashlib
import hmac
import secrets
from pathlib import Path

import structlog
from starlette.routing import Route
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp

from barback.dashboard.signing_in.accounts import Account, Accounts
from barback.dashboard.signing_in.callers import Callers
from barback.dashboard.signing_in.gate import Gate
from barback.dashboard.signing_in.known import Ways
from barback.dashboard.signing_in.pages import Pages
from barback.dashboard.signing_in.passwords import SALT_BYTES, hash_password
from barback.dashboard.signing_in.project_keys import Keys, ProjectKeys
from barback.dashboard.signing_in.proxy_user import ProxyUser
from barback.dashboard.signing_in.roles import Role
from barback.dashboard.signing_in.session_cookie import usual_name
from barback.dashboard.signing_in.sessions import Sessions, SignedOut, SignedOutHere
from barback.dashboard.signing_in.settings import DashboardSettings
from barback.dashboard.signing_in.supabase import Supabase
from barback.errors import SettingsError

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.dashboard")

TEMPLATES = Path(__file__).parent / "templates"
"""A folder for the search path: `sign_in.html`, which extends `base.html`."""

NO_WAY_IN = (
    "Wrong settings:\n  DASHBOARD_PASSWORD: not set, and there is no other way to sign in. Set it (12 characters or "
    "more), or DASHBOARD_PASSWORD_HASH, or DASHBOARD_SUPABASE=1, or DASHBOARD_PROXY_USER_HEADER; see docs/sign-in.md."
)


class SignIn:
    """Who may see the dashboard.

    `development`: without any way to sign in, people at this machine need none. `public_path`: under
    which path browsers see the dashboard (None: where it is mounted). `signed_out`: where ended sessions are
    remembered (None: in this process). `keys`: Supabase's (None: fetched from the project).

    :raises SettingsError: nobody could ever sign in.
    """

    def __init__(
        self,
        settings: DashboardSettings,
        *,
        development: bool = False,
        public_path: str | None = None,
        signed_out: SignedOut | None = None,
        keys: Keys | None = None,
    ) -> None:
        secret = _secret(settings)
        accounts = Accounts([*_admin(settings, secret), *settings.further_accounts()])
        configured = accounts.with_password or bool(settings.proxy_user_header) or settings.supabase
        if not configured and not development:
            raise SettingsError(NO_WAY_IN)
        self._origins = settings.origins
        self._public_path = None if public_path is None else public_path.rstrip("/")
        self._callers = Callers(settings.trusted_proxies, settings.origins)
        self._sign_in_url = settings.sign_in_url
        header = settings.proxy_user_header
        self._ways = Ways(
            accounts=accounts,
            sessions=Sessions(secret, accounts, signed_out or SignedOutHere()),
            proxy=ProxyUser(header, settings.proxy_role, accounts) if header else None,
            supabase=_supabase(settings, keys),
            loopback=not configured,
            read_only=settings.read_only,
        )
        if accounts.with_password and not (settings.secret or settings.password_hash):
            log.warning("DASHBOARD_SECRET is not set: everybody has to sign in again when the dashboard restarts")

    @property
    def read_only(self) -> bool:
        """Whether everybody is a viewer."""
        return self._ways.read_only

    def routes(self, templates: Jinja2Templates) -> list[Route]:
        """`/sign-in` and `/sign-out`, for the app that `wrap` wraps. The templates know `TEMPLATES`."""
        return Pages(self._ways, self._callers, templates, self._sign_in_url).routes()

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The same app, closed. Its outermost layer: what is put around it is not guarded."""
        return Gate(app, self._ways, self._callers, self._origins, self._public_path)


def _secret(settings: DashboardSettings) -> bytes:
    if settings.secret:
        return settings.secret.get_secret_value().encode()
    if settings.password_hash:
        # The admin's alone: whoever made a hash for themselves must not be able to sign for others.
        return hashlib.sha256(settings.password_hash.get_secret_value().encode()).digest()
    return secrets.token_bytes(32)


def _admin(settings: DashboardSettings, secret: bytes) -> list[Account]:
    if settings.password_hash:
        return [Account(settings.user, Role.ADMIN, settings.password_hash.get_secret_value())]
    if settings.password:
        # The same salt after a restart, or sessions would end: they end with the hash of their password.
        salt = hmac.digest(secret, settings.user.encode(), hashlib.sha256)[:SALT_BYTES]
        return [Account(settings.user, Role.ADMIN, hash_password(settings.password.get_secret_value(), salt))]
    return []


def _supabase(settings: DashboardSettings, keys: Keys | None) -> Supabase | None:
    if not settings.supabase or not settings.supabase_url:
        return None
    url = settings.supabase_url
    keys = keys or ProjectKeys(f"{url}/auth/v1/.well-known/jwks.json")
    return Supabase(url, settings.supabase_cookie or usual_name(url), keys, settings.supabase_legacy_secret)
