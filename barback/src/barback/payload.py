"""What a job is given: typed here, camelCase JSON on the wire."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Payload(BaseModel, frozen=True):
    """The base of all payloads: frozen, snake_case in Python, camelCase on the wire, unknown fields refused.

    Subclasses say `frozen=True` too: `class ProcessCafe(Payload, frozen=True)`.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="forbid",
    )

    def unique(self) -> str | None:
        """The key of which at most one job waits and one runs (P4). None: any number."""
        return None


class NoPayload(Payload, frozen=True):
    """For jobs that need to be told nothing: `{}` on the wire."""
