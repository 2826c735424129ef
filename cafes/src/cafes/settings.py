"""The service's own settings. Read once: the names of the queues when the jobs are declared, the rest at the start."""

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from barback.errors import SettingsError
from barback.settings import Blank, EnvSettings, Settings, check_settings, load_settings, read_variable

_HOST = r"(?:\[[^\s@/?\[\]]*\]|[^\s@/?:,\[\]]*)(?::[0-9]*)?"
_ADDRESS = re.compile(
    rf"(?!.*%(?![0-9a-fA-F]{{2}}))[a-z]+://(?:[^\s@/?]*@)?{_HOST}(?:,{_HOST})*(?:/[^\s@?]*)?(?:\?[^\s@]*)?"
)
"""What Postgres's own client reads as it was meant. Else it takes a part of a password for a host, and tells it."""


class QueueNames(EnvSettings):
    """Which queues the jobs are in; the TypeScript side must say the same.

    A queue's concurrency follows its name: `CAFE_PROCESSING_CONCURRENCY` is for `cafe-processing`.
    """

    cafe_processing: str = Field("cafe-processing", validation_alias="CAFE_PROCESSING_QUEUE")
    cron_jobs: str = Field("cron-jobs", validation_alias="CRON_JOBS_QUEUE")

    @field_validator("*")
    @classmethod
    def _usable(cls, value: str) -> str:
        if ":" in value or value != value.strip() or not value.isprintable():
            raise ValueError("expected a name without ':', control characters, or spaces at its ends")
        return value


@dataclass(frozen=True, slots=True)
class SupabaseProject:
    """A project's API, and the key that may do everything there."""

    url: str
    key: SecretStr


class StoreSettings(EnvSettings):
    """Where the cafes are: in the Supabase project if one is named, else in the Postgres at `DATABASE_URL`."""

    database_url: Annotated[SecretStr | None, Blank] = Field(None, validation_alias="DATABASE_URL")
    """`postgresql://…`, direct or through a transaction pooler (Supabase: port 6543)."""
    connections: int = Field(10, ge=1, le=1_000, validation_alias="DATABASE_CONNECTIONS")
    """At most, a worker. More than the database has cores for only makes them wait there instead of here."""
    supabase_url: Annotated[str | None, Blank] = Field(None, validation_alias="NEXT_PUBLIC_SUPABASE_URL")
    supabase_key: Annotated[SecretStr | None, Blank] = Field(
        None, validation_alias="SUPABASE_SERVICE_ROLE_KEY", validate_default=True
    )
    """`sb_secret_…`, or the JWT of the service role that older projects have. What is in it is Supabase's business."""

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            url = value.get_secret_value()
            if urlsplit(url).scheme not in ("postgresql", "postgres"):
                # Not shown: in other forms than a URL a password can stand anywhere.
                raise ValueError("expected postgresql://user:password@host:port/database")
            if not _ADDRESS.fullmatch(url):
                raise ValueError(
                    "expected postgresql://user:password@host:port/database. "
                    "In a password write % as %25, @ as %40, / as %2F, ? as %3F, and a space as %20"
                )
        return value

    @field_validator("supabase_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not _is_origin(value):
            raise ValueError("expected https://<project>.supabase.co")
        return value

    @field_validator("supabase_key")
    @classmethod
    def _whole(cls, value: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
            raise ValueError("expected the key alone, without spaces, as Supabase shows it")
        # Whether they belong together is asked of the later one; a wrong address is not missing, and told already.
        if "supabase_url" in others.data:
            url = others.data["supabase_url"]
            # The address alone chooses nothing: pages have it too, and the dashboard's sign-in.
            if url is not None and value is None and others.data.get("database_url") is None:
                raise ValueError("not set, and NEXT_PUBLIC_SUPABASE_URL is. Set both, or none and DATABASE_URL")
            if url is None and value is not None:
                raise ValueError("set, but NEXT_PUBLIC_SUPABASE_URL is not. Set both, or none and DATABASE_URL")
        return value

    @property
    def supabase(self) -> SupabaseProject | None:
        """The project that holds the cafes. None: `DATABASE_URL` says where they are."""
        if self.supabase_url is None or self.supabase_key is None:
            return None
        return SupabaseProject(self.supabase_url, self.supabase_key)

    def postgres_url(self) -> str:
        """The database's address, password and all.

        :raises SettingsError: there is none; says what to set.
        """
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        raise SettingsError(
            "Wrong settings:\n  DATABASE_URL: not set. Expected postgresql://…, or a Supabase project in "
            "NEXT_PUBLIC_SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY; "
            "`barback dev` and `cafes demo` bring a database of their own."
        )

    def migrated_url(self) -> str:
        """The database to migrate, which Supabase's API cannot do.

        :raises SettingsError: there is none; says what to do instead.
        """
        if self.database_url is None and self.supabase:
            raise SettingsError(
                "Wrong settings:\n  DATABASE_URL: not set. Supabase's API cannot change the schema: set it to the "
                "project's Postgres (Connect, in its dashboard), or run `supabase db push`; see docs/supabase.md."
            )
        return self.postgres_url()


def _is_origin(url: str) -> bool:
    parts = urlsplit(url)
    return (
        parts.scheme in ("https", "http")
        and bool(parts.hostname)
        # Also a password in it: it would be shown with the address.
        and not (parts.query or parts.fragment or parts.username or parts.password)
        and url.isascii()
        and url.isprintable()
        and " " not in url
    )


KINDS = (StoreSettings, QueueNames)
"""All of the service's own."""


def check() -> None:
    """Refuse wrong settings: barback's, the service's, its queues' concurrency.

    :raises SettingsError: names every wrong one.
    """
    fields = QueueNames.model_fields.values()
    # As they are set, right or wrong: the variable of a queue follows from either.
    queues = [read_variable(str(field.validation_alias)) or str(field.default) for field in fields]
    check_settings((Settings, *KINDS), queues)


def _queue_names() -> QueueNames:
    try:
        return load_settings(QueueNames)
    except SettingsError:
        check()  # Without queues there are no jobs, and nobody who could name what else is wrong.
        raise


QUEUES = _queue_names()
"""Read at import, because a job names its queue where it is declared."""
