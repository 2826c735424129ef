"""The service's own settings. Read once: the names of the queues when the jobs are declared, the rest at the start."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from barback.errors import SettingsError
from barback.settings import Blank, EnvSettings, Settings, check_settings, load_settings, read_variable


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


class StoreSettings(EnvSettings):
    """Where the cafes are."""

    database_url: Annotated[SecretStr | None, Blank] = Field(None, validation_alias="DATABASE_URL")
    """`postgresql://…`, direct or through a transaction pooler (Supabase: port 6543)."""
    connections: int = Field(10, ge=1, le=1_000, validation_alias="DATABASE_CONNECTIONS")
    """At most, a worker. More than the database has cores for only makes them wait there instead of here."""
    supabase_url: str | None = Field(None, validation_alias="NEXT_PUBLIC_SUPABASE_URL")
    supabase_key: SecretStr | None = Field(None, validation_alias="SUPABASE_SERVICE_ROLE_KEY")

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            url = value.get_secret_value()
            if urlsplit(url).scheme not in ("postgresql", "postgres"):
                # Not shown: in other forms than a URL a password can stand anywhere.
                raise ValueError("expected postgresql://user:password@host:port/database")
        return value

    def postgres_url(self) -> str:
        """The database's address, password and all.

        :raises SettingsError: there is none; says what to set.
        """
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        if self.supabase_url or self.supabase_key:
            raise SettingsError(
                "Wrong settings:\n  DATABASE_URL: not set. Supabase's address is, but its API is not spoken yet: "
                "set DATABASE_URL to the project's Postgres (the address of its pooler, port 6543)."
            )
        raise SettingsError(
            "Wrong settings:\n  DATABASE_URL: not set. Expected postgresql://…; "
            "`barback dev` and `cafes demo` bring a database of their own."
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
