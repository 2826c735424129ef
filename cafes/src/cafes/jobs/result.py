"""What a finished job reports."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Result(BaseModel, frozen=True):
    """The base of all results: snake_case in Python, camelCase on the wire, as payloads are."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)
