"""How people sign in to the dashboard, from the environment."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import NoDecode

from barback.dashboard.signing_in.accounts import Account, parse_users
from barback.dashboard.signing_in.passwords import is_hash, weakness
from barback.dashboard.signing_in.roles import Role
from barback.settings import Blank, EnvSettings

SECRET_LEAST = 32

Secret = Annotated[SecretStr | None, Blank]


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _to_role(value: object) -> object:
    role = Role.of(value.strip().lower()) if isinstance(value, str) else value
    if role is None:
        raise ValueError("expected viewer, operator or admin")
    return role


def _to_network(value: object) -> object:
    try:
        network = ip_network(str(value), strict=False)
    except ValueError:
        raise ValueError("expected addresses or networks like 10.0.0.0/8, with commas between them") from None
    if network.prefixlen == 0:
        raise ValueError("expected the addresses of your proxies, not of everybody")
    return network


Networks = Annotated[list[Annotated[IPv4Network | IPv6Network, BeforeValidator(_to_network)]], NoDecode]


class DashboardSettings(EnvSettings):
    """Several ways may be on at the same time. See docs/sign-in.md."""

    user: str = Field("admin", validation_alias="DASHBOARD_USER", pattern=r"^[^\s:,]{1,200}$")
    """The name that goes with the password; an admin."""
    password: Secret = Field(None, validation_alias="DASHBOARD_PASSWORD")
    password_hash: Secret = Field(None, validation_alias="DASHBOARD_PASSWORD_HASH")
    """The same, as `barback dashboard hash` prints it."""
    users: Secret = Field(None, validation_alias="DASHBOARD_USERS")
    """More people: `name:role:hash`, one a line or with commas between them. Without a hash: known by a proxy."""
    secret: Secret = Field(None, validation_alias="DASHBOARD_SECRET")
    """Signs sessions. None: made from the hash of the password, or else a new one with each start."""
    read_only: bool = Field(False, validation_alias="DASHBOARD_READ_ONLY")
    """Everybody is a viewer."""
    origins: Annotated[list[str], NoDecode, BeforeValidator(_split)] = Field([], validation_alias="DASHBOARD_ORIGIN")
    """Where people see the dashboard, if that is not where it runs: `https://app.example.com`."""

    trusted_proxies: Annotated[Networks, BeforeValidator(_split)] = Field(
        [], validation_alias="DASHBOARD_TRUSTED_PROXY"
    )
    """Whose `X-Forwarded-…` headers are believed."""
    proxy_user_header: str | None = Field(
        None, validation_alias="DASHBOARD_PROXY_USER_HEADER", pattern=r"^[A-Za-z0-9-]{1,100}$"
    )
    """The header in which such a proxy says who is signed in. None: nobody is, by a header."""
    proxy_role: Annotated[Role, BeforeValidator(_to_role)] = Field(Role.VIEWER, validation_alias="DASHBOARD_PROXY_ROLE")
    """Of those whom `DASHBOARD_USERS` does not name."""

    supabase: bool = Field(False, validation_alias="DASHBOARD_SUPABASE")
    """Take sessions of the project's own users who have `app_metadata.barback_role`."""
    supabase_url: str | None = Field(None, validation_alias="NEXT_PUBLIC_SUPABASE_URL")
    supabase_legacy_secret: Secret = Field(None, validation_alias="DASHBOARD_SUPABASE_JWT_SECRET")
    """Of projects that still sign with HS256. None: such tokens are refused."""
    supabase_cookie: str | None = Field(
        None, validation_alias="DASHBOARD_SUPABASE_COOKIE", pattern=r"^[A-Za-z0-9_-]{1,100}$"
    )
    """None: `sb-<project>-auth-token`, as Supabase's libraries name it."""
    sign_in_url: str | None = Field(None, validation_alias="DASHBOARD_SIGN_IN_URL", pattern=r"^(https?://|/)[^\s]+$")
    """Where the app's own users sign in: a link on the sign-in page."""

    @field_validator("password")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        if value is not None and (why := weakness(value.get_secret_value(), str(others.data.get("user", "")))):
            raise ValueError(why)
        return value

    @field_validator("password_hash")
    @classmethod
    def _one_of_ours(cls, value: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        if value is not None and not is_hash(value.get_secret_value()):
            raise ValueError("expected what `barback dashboard hash` prints: scrypt.…")
        if value is not None and others.data.get("password") is not None:
            raise ValueError("set this or DASHBOARD_PASSWORD, not both")
        return value

    @field_validator("users")
    @classmethod
    def _readable(cls, value: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        names = [account.name for account in parse_users(value.get_secret_value())] if value else []
        if (others.data.get("password") or others.data.get("password_hash")) and others.data.get("user") in names:
            raise ValueError("expected other names than that of DASHBOARD_USER, whose password is set already")
        return value

    @field_validator("secret", "supabase_legacy_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SECRET_LEAST:
            raise ValueError(f"expected at least {SECRET_LEAST} random characters (openssl rand -hex 32)")
        return value

    @field_validator("origins")
    @classmethod
    def _plain_origins(cls, values: list[str]) -> list[str]:
        for value in values:
            if not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+", value):
                raise ValueError("expected https://host or https://host:port, without a path")
        return [value.lower() for value in values]

    @field_validator("supabase_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise ValueError("expected https://<project>.supabase.co")
        return value.rstrip("/") if value else None

    @model_validator(mode="after")
    def _whole(self) -> Any:
        if self.supabase and not self.supabase_url:
            raise ValueError("NEXT_PUBLIC_SUPABASE_URL: not set, and DASHBOARD_SUPABASE is on")
        if self.proxy_user_header and not self.trusted_proxies:
            raise ValueError(
                "DASHBOARD_TRUSTED_PROXY: not set, and nobody else may send what DASHBOARD_PROXY_USER_HEADER names"
            )
        return self

    def further_accounts(self) -> list[Account]:
        """Those of `DASHBOARD_USERS`."""
        return parse_users(self.users.get_secret_value()) if self.users else []
