"""Settings, read once at the front door. Every wrong one is named in one message, secrets masked."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from barback.errors import SettingsError
from barback.payload_limits import KB, PayloadLimits

ENV_FILES = (".env", ".env.local")
"""Read from the working directory; the environment wins over `.env.local`, which wins over `.env`."""

SettingsT = TypeVar("SettingsT", bound="EnvSettings")

Blank = BeforeValidator(lambda value: None if value == "" else value)


class EnvSettings(BaseSettings):
    """The base of an app's own settings: same files, same messages."""

    model_config = SettingsConfigDict(env_file=ENV_FILES, extra="ignore", env_ignore_empty=True)


class Settings(EnvSettings):
    """What barback itself needs to know."""

    redis_url: Annotated[SecretStr | None, Blank] = Field(None, validation_alias="REDIS_URL")
    """`redis://`, `rediss://` (TLS) or `unix://`. None: not set; only `dev` and `demo` can go on."""
    redis_db: int = Field(1, ge=0, validation_alias="REDIS_DB")
    redis_prefix: str = Field("bull", min_length=1, validation_alias="BARBACK_PREFIX")
    """BullMQ's key prefix; the TypeScript side must use the same."""
    environment: str = Field("development", validation_alias=AliasChoices("NODE_ENV", "BARBACK_ENV"))
    """What this installation calls itself, `staging` or anything else: for whoever reads it; nothing depends on it."""
    concurrency: int = Field(20, ge=1, le=10_000, validation_alias="WORKER_CONCURRENCY")
    """Jobs in flight a queue and worker; `CAFE_PROCESSING_CONCURRENCY` sets it for queue `cafe-processing`."""
    processes: int = Field(1, ge=1, le=256, validation_alias="WORKER_PROCESSES")
    """Worker processes of one `barback work`. 1: that process itself; more: it starts and supervises them."""
    lock_s: float = Field(10.0, ge=1, allow_inf_nan=False, validation_alias="BARBACK_LOCK_S")
    stalled_check_s: float = Field(5.0, gt=0, allow_inf_nan=False, validation_alias="BARBACK_STALLED_CHECK_S")
    crash_limit: int = Field(3, ge=1, validation_alias="BARBACK_CRASH_LIMIT")
    """After how many crashes of its own a job is failed (P8)."""
    grace_s: float = Field(25.0, ge=0, allow_inf_nan=False, validation_alias="BARBACK_GRACE_S")
    """How long a stopping worker lets its jobs run."""
    health_port: Annotated[int | None, Blank] = Field(None, ge=1, le=65_535, validation_alias="BARBACK_HEALTH_PORT")
    """Where a worker answers `/live`, `/ready` and `/metrics`; further processes at the next ports. None: nowhere."""
    health_host: str = Field("127.0.0.1", validation_alias="BARBACK_HEALTH_HOST")
    """The address of this machine at which it does; `0.0.0.0`: all of them, for whoever can reach it."""
    payload_warn_kb: int = Field(256, ge=0, validation_alias="BARBACK_PAYLOAD_WARN_KB")
    """A payload enqueued with more KB (1,024 bytes of JSON) is logged. 0: none is."""
    payload_limit_kb: int = Field(2048, ge=0, validation_alias="BARBACK_PAYLOAD_LIMIT_KB")
    """A payload with more KB is not enqueued. 0: it is, however large."""

    @property
    def payload_limits(self) -> PayloadLimits:
        """What whoever enqueues is given."""
        return PayloadLimits(warn_bytes=self.payload_warn_kb * KB, limit_bytes=self.payload_limit_kb * KB)

    @field_validator("redis_url")
    @classmethod
    def _known_scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            url = value.get_secret_value()
            if urlsplit(url).scheme not in ("redis", "rediss", "unix"):
                # In other forms than a URL a password can stand anywhere.
                given = f", got '{mask_url(url)}'" if "://" in url else ""
                raise ValueError(
                    f"expected redis:// or rediss://{given}. In development leave it unset for an embedded server"
                )
            # Else a part of the password is taken for the host, and told in errors.
            if not url.startswith("unix:") and re.search(r"://[^/?#]*[/?#].*@", url, re.DOTALL):
                raise ValueError(
                    "expected redis://user:password@host:port. In a password write / as %2F, ? as %3F and # as %23"
                )
        return value

    @field_validator("redis_db")
    @classmethod
    def _one_database(cls, value: int, others: ValidationInfo) -> int:
        # A check of this field, not of the whole: those are left out when any other field is wrong.
        url: SecretStr | None = others.data.get("redis_url")
        named = _database_in(url.get_secret_value()) if url else None
        if named is not None and named != value:
            raise ValueError(f"expected {named}, which REDIS_URL names (make them equal, or take it out of there)")
        return value

    def concurrency_of(self, queue: str, declared: int | None = None) -> int:
        """Jobs in flight for one queue: its own variable, else what the app declares, else `WORKER_CONCURRENCY`.

        :raises SettingsError: the variable is not a whole number from 1 to 10,000.
        """
        name = concurrency_variable(queue)
        value = read_variable(name)
        if value is None:
            return declared or self.concurrency
        _refuse(_wrong_concurrency(queue))
        return int(value)


def load_settings(kind: type[SettingsT]) -> SettingsT:
    """Read settings from the environment and its files.

    :raises SettingsError: names every wrong one.
    """
    try:
        return kind()
    except ValidationError as error:
        lines = _lines(kind, error)
    raise SettingsError(_message(lines))


def check_settings(kinds: Iterable[type[EnvSettings]], queues: Iterable[str] = ()) -> None:
    """Refuse what is wrong in any of these kinds, or in the concurrency variable of any of these queues.

    :raises SettingsError: names every wrong one, of all of them.
    """
    lines = [line for kind in kinds for line in _wrong(kind)]
    lines += [line for queue in queues for line in _wrong_concurrency(queue)]
    _refuse(lines)


def concurrency_variable(queue: str) -> str:
    """`cafe-processing` → `CAFE_PROCESSING_CONCURRENCY`."""
    return re.sub(r"[^A-Za-z0-9]+", "_", queue).strip("_").upper() + "_CONCURRENCY"


def variables_of(kinds: Iterable[type[EnvSettings]]) -> frozenset[str]:
    """The names of all variables that these kinds read, in capitals (how they are written does not matter)."""
    names: set[str] = set()
    for kind in kinds:
        for field, info in kind.model_fields.items():
            alias = info.validation_alias
            choices = alias.choices if isinstance(alias, AliasChoices) else [alias or field]
            names |= {str(choice).upper() for choice in choices}
    return frozenset(names)


def variables_given() -> dict[str, frozenset[str]]:
    """The names of all variables that are set, and not empty, by where: `environment`, and each file that is there."""
    from dotenv import dotenv_values

    given = {
        "environment": dict(os.environ),
        **{file: dotenv_values(file) for file in ENV_FILES if Path(file).is_file()},
    }
    return {place: frozenset(name for name, value in values.items() if value) for place, values in given.items()}


def mask_url(url: str) -> str:
    """The address with its password replaced by `***`, and nothing after a '?'.

    People write passwords that hold any character, and forget the scheme: what stands before the last '@' is shown
    only where it is certainly the user.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    credentials, at, host = rest.rpartition("@")
    if "?" in credentials:
        return f"{scheme}{separator}***"
    user, colon, _ = credentials.partition(":")
    shown = f"{user}{':***' if colon else ''}" if scheme else "***"
    return f"{scheme}{separator}{shown if at else ''}{at}{host.partition('?')[0]}"


def _database_in(url: str) -> int | None:
    parts = urlsplit(url)
    in_query = parse_qs(parts.query).get("db", [""])[0]
    named = in_query or ("" if parts.scheme == "unix" else parts.path.strip("/"))
    return int(named) if named.isdecimal() else None


def read_variable(name: str) -> str | None:
    """One variable, from where all settings come from; None if it is not set, or empty."""
    if os.environ.get(name):
        return os.environ[name]
    from dotenv import dotenv_values

    for file in reversed(ENV_FILES):
        value = dotenv_values(file).get(name) if Path(file).is_file() else None
        if value:
            return value
    return None


def _refuse(lines: list[str]) -> None:
    if lines:
        raise SettingsError(_message(lines))


def _message(lines: list[str]) -> str:
    return "Wrong settings:\n" + "\n".join(f"  {line}" for line in dict.fromkeys(lines))


def _wrong(kind: type[EnvSettings]) -> list[str]:
    try:
        kind()
    except ValidationError as error:
        return _lines(kind, error)
    return []


def _wrong_concurrency(queue: str) -> list[str]:
    name = concurrency_variable(queue)
    value = read_variable(name)
    if value is None or (re.fullmatch(r"[0-9]{1,5}", value) and 1 <= int(value) <= 10_000):
        return []
    return [f"{name}: expected a whole number from 1 to 10000, got {value!r}."]


def _lines(kind: type[EnvSettings], error: ValidationError) -> list[str]:
    return [_line(kind, e["loc"], e["msg"], e.get("input")) for e in error.errors()]


def _line(kind: type[EnvSettings], location: tuple[int | str, ...], message: str, given: object) -> str:
    message = message.removeprefix("Value error, ")
    if not location:
        return message + "."
    name = str(location[0])
    hidden = False
    for field_name, info in kind.model_fields.items():
        alias = info.validation_alias
        if name in (field_name, alias):
            name = alias if isinstance(alias, str) else name
            hidden = "Secret" in str(info.annotation)
    hidden = hidden or any(part in name.lower() for part in ("url", "key", "secret", "token", "password"))
    got = "" if hidden or not isinstance(given, str | int) else f", got {given!r}"
    return f"{name}: {message[:1].lower() + message[1:]}{got}."
