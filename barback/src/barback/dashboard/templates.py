"""The templates, made ready once: all values escaped, none of them missing unseen."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from barback.broker import LISTED_STATES
from barback.dashboard import formatting, signing_in
from barback.dashboard.action_forms import DONE, plain_kinds_in
from barback.dashboard.selecting import target_text
from barback.inspector import REFUSALS

HERE = Path(__file__).parent
STATIC = HERE / "static"

FILTERS = (
    formatting.exact,
    formatting.short,
    formatting.end_of,
    formatting.line,
    formatting.key,
    formatting.number,
    formatting.seconds,
    formatting.size,
    formatting.polyline,
    formatting.iso,
    formatting.utc,
    formatting.percent,
    formatting.pretty,
    formatting.beginning,
    formatting.tojson_text,
    target_text,
)


@cache
def template(name: str) -> jinja2.Template:
    """A template of ours."""
    return environment().get_template(name)


@cache
def fingerprint(name: str) -> str:
    """Of a static file's content: part of its address, so that browsers may keep it for ever."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


@cache
def environment() -> jinja2.Environment:
    """All of them, the sign-in page's too."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([HERE / "templates", signing_in.TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=formatting.shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Jinja's own annotations of both know no entries but its own.
    filters: dict[str, Any] = made.filters
    filters.update({function.__name__: function for function in FILTERS})
    names: dict[str, Any] = made.globals
    names.update(STATES=LISTED_STATES, DONE=DONE, REFUSALS=REFUSALS, plain_kinds_in=plain_kinds_in)
    return made
