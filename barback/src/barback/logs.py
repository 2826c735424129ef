"""Log events: readable in a terminal, one JSON line each anywhere else. Never a raw control character (P41).

The library itself configures nothing: the command line does, and the processes that jobs run in do as their worker did.
What a handler logs, by structlog or the standard library, says in which job: `job`, `job_id`, `attempt`.

barback and the packages of the app are sent from INFO on. All others (libraries: some tell of each request) are as in
any Python program: from WARNING on, unless somebody sets the level of their logger.
"""

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from barback.current import CURRENT
from barback.printable import printable

LEVEL = logging.INFO
INDENT = "  | "
"""Before each line of a stack trace in a terminal: no text in it looks like an event of its own."""

LONGEST = 2_000
"""Characters of one text in an event, as the name of a job or what a handler says. A stack trace is not cut."""
BARBACK = __name__.partition(".")[0]

_level: int | None = None
"""None: nobody configured anything."""


def configure_logging(level: int = LEVEL) -> None:
    """Send structlog's events and those of the standard library's `logging` to stderr, in one form.

    `level`: of the least serious that are sent, of libraries WARNING at least.
    """
    global _level  # noqa: PLW0603 — as global as what it tells of
    _level = level
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_job,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(sys.stderr.isatty())],
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
        )
    )
    logging.captureWarnings(True)
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    send_logs_of(BARBACK)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )


def levels() -> dict[str, int] | None:
    """Of the loggers that have one of their own, by name; None: nobody configured anything in this process."""
    if _level is None:
        return None
    known = list(logging.root.manager.loggerDict.items())
    return {name: logger.level for name, logger in known if isinstance(logger, logging.Logger) and logger.level}


def log_alike(levels: Mapping[str, int] | None) -> None:
    """As a process does that has these `levels`."""
    if levels is not None:
        configure_logging()
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def send_logs_of(module: str) -> None:
    """Send what is logged in the package that this module lies in, as barback's own; if this process is configured."""
    if _level is not None:
        logging.getLogger(module.partition(".")[0]).setLevel(_level)


def add_job(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Which job runs here, unless the event says of which it tells."""
    job = CURRENT.get()
    if job is not None and "job_id" not in event:
        event.update(job=job.name, job_id=job.id, attempt=job.attempt)
    return event


def cut_texts(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Cut what is too long for a line that somebody reads."""
    for key, value in event.items():
        text = str(value)
        if len(text) > LONGEST and key != "exception":
            event[key] = cut(text)
    return event


def cut(text: str) -> str:
    """The text, or its beginning and how long it was."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… (cut: it has {len(text):,} characters)"


class _Handler(logging.StreamHandler[Any]):
    """An event that cannot be formatted is one line, too: the standard library's own words about it are many."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 — its name
        what = {"event": "a log line could not be written", "level": "error", "logger": record.name}
        told = {**what, "error": cut(repr(sys.exc_info()[1])), "message": cut(repr(record.msg))}
        try:
            self.stream.write(json.dumps(told) + "\n")
        except (OSError, ValueError):
            # Nobody reads any more.
            return


def _rendering(terminal: bool) -> list[Processor]:
    if not terminal:
        # JSON escapes control characters by itself.
        return [structlog.processors.format_exc_info, cut_texts, structlog.processors.JSONRenderer(default=str)]
    return [
        structlog.processors.format_exc_info,
        cut_texts,
        _escape,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]


def _escape(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if key == "exception":
            event[key] = "\n".join(INDENT + printable(line) for line in str(value).split("\n"))
        elif not isinstance(value, int | float | None):
            event[key] = printable(str(value))
    return event
