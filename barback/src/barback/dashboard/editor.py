"""One payload as it is edited: by the fields of its schema, or as JSON where there is none, or people ask for that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from barback.control.editing import hidden
from barback.dashboard.form_values import Read, Unreadable, has, place_faults, read, read_json, texts_of
from barback.dashboard.forms import Fieldset, as_json, form_of
from barback.dashboard.schema_check import check
from barback.masking import Path, Schema

LARGEST = 64 * 1024
"""Bytes of the largest payload that is edited in a page."""
LARGEST_SENT = 512 * 1024
"""Bytes of the largest form that it may make: indented and encoded it is longer. Half of what a form may send at all
(`signing_in/bodies.py`): the other half is there to type into."""
JSON_NAME = "json"
"""Of the field of a payload that is edited as JSON; a JSON pointer begins with a slash."""


@dataclass(frozen=True, slots=True)
class Editor:
    """`before`: the value to begin with; `form` None: it is edited as JSON. `choice`: it could be edited by fields."""

    schema: Schema | None
    secrets: Sequence[Path]
    before: Any
    form: Fieldset | None
    choice: bool = False

    def texts(self) -> dict[str, str]:
        """What is shown at first, by the name of each field; never a secret."""
        if self.form is not None:
            return texts_of(self.form, self.before)
        return {JSON_NAME: as_json(hidden(self.before, self.secrets), indent=2)}

    @property
    def too_large(self) -> bool:
        """Whether it makes a form that could not be sent once somebody typed into it."""
        sent = {name: text.replace("\n", "\r\n") for name, text in self.texts().items()}
        return len(urlencode(sent, errors="replace")) > LARGEST_SENT

    def kept(self) -> set[str]:
        """The names of secret fields that have a value, and keep it if nothing is typed."""
        form = self.form
        return {one.name for one in form.fields() if has(self.before, one)} if form is not None else set()

    def read(self, texts: Mapping[str, str]) -> Read:
        """The value that was submitted, or what is wrong with it, by the name of its field (`""`: the whole)."""
        if self.form is None:
            return self._read_json(texts.get(JSON_NAME, ""))
        found = read(self.form, texts, self.before)
        if found.faults or self.schema is None:
            return found
        return Read(found.value, place_faults(self.form, check(self.schema, found.value)))

    def _read_json(self, text: str) -> Read:
        if text == self.texts()[JSON_NAME]:
            value = self.before
        else:
            try:
                value = read_json(text, self.before, self.secrets)
            except Unreadable as error:
                return Read(None, {JSON_NAME: str(error)})
        faults = check(self.schema, value) if self.schema is not None else []
        told = "\n".join(f"{'.'.join(map(str, fault.place)) or 'payload'}: {fault.text}" for fault in faults)
        return Read(value, {JSON_NAME: told} if told else {})


def editor_of(schema: Schema | None, secrets: Sequence[Path], before: Any, *, as_json: bool) -> Editor:
    """By fields if they can show it, unless JSON is asked for."""
    form = form_of(schema, secrets) if isinstance(before, dict) else None
    return Editor(schema, secrets, before, None if as_json else form, form is not None)
