"""Log events: one JSON line each, or readable in a terminal; never a raw control character."""

import json
import subprocess
import sys

PROGRAM = """
import logging
import sys
import structlog
sys.stderr.isatty = lambda: {terminal}
from barback.logs import configure_logging
configure_logging()
log = structlog.get_logger("shop")
log.info("said", name="Ada\\r\\n{{}}\\x1b[31m")
log.debug("not said")
logging.getLogger("library").warning("two\\n2026-01-01T00:00:00Z [info     ] forged", extra={{"city": "Leipzig\\r"}})
logging.getLogger("library").warning("%d cafes", "no\\nforged")
logging.getLogger("library").warning("from \\x1b elsewhere %s", 5)
try:
    raise ValueError("one\\r\\x1b[2J\\n2026-01-01T00:00:00Z [info     ] forged")
except ValueError:
    log.exception("failed")
"""


def run(terminal: bool) -> str:
    arguments = [sys.executable, "-c", PROGRAM.format(terminal=terminal)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, env={"NO_COLOR": "1"})
    return done.stderr


def test_elsewhere_each_event_is_one_line_of_json() -> None:
    events = [json.loads(line) for line in run(terminal=False).splitlines()]
    assert [(event["event"], event["level"], event["logger"]) for event in events] == [
        ("said", "info", "shop"),
        ("two\n2026-01-01T00:00:00Z [info     ] forged", "warning", "library"),
        ("a log line could not be written", "error", "library"),
        ("from \x1b elsewhere 5", "warning", "library"),
        ("failed", "error", "shop"),
    ]
    assert events[0]["name"] == "Ada\r\n{}\x1b[31m"
    assert events[1]["city"] == "Leipzig\r"
    assert "not all arguments" in events[2]["error"] or "number is required" in events[2]["error"]
    assert "ValueError: one" in events[4]["exception"]
    assert all(event["timestamp"].endswith("Z") for event in events if "message" not in event)


def test_in_a_terminal_nothing_raw_gets_through() -> None:
    text = run(terminal=True)
    assert "said" in text
    assert "Ada\\r\\n{}\\x1b[31m" in text
    assert "from \\x1b elsewhere 5" in text
    assert "ValueError: one\\r\\x1b[2J" in text
    assert "\r" not in text
    assert "forged" in text
    assert not any(line.startswith("2026-01-01") for line in text.splitlines()), "a line that nobody logged"
    assert "\x1b[2J" not in text
