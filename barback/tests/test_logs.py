"""Log events: one JSON line each, or readable in a terminal; never a raw control character."""

import json
import subprocess
import sys

from barback.logs import LONGEST, cut_texts

PROGRAM = """
import logging
import sys
import structlog
sys.stderr.isatty = lambda: {terminal}
from barback.logs import configure_logging, send_logs_of
configure_logging()
send_logs_of("shop")
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


LEVELS = """
import logging
import structlog
from barback.logs import configure_logging, send_logs_of
configure_logging({level})
send_logs_of("shop.jobs.greet")
for name in ("shop.jobs.mail", "barback.worker", "httpx", "hpack.hpack"):
    logging.getLogger(name).info("by logging")
    structlog.get_logger(name).info("by structlog")
logging.getLogger("acme").setLevel(logging.INFO)
logging.getLogger("acme.orders").info("asked for")
logging.getLogger("httpx").warning("serious")
"""


def said_at(level: str) -> list[tuple[str, str]]:
    arguments = [sys.executable, "-c", LEVELS.format(level=level)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return [(event["logger"], event["event"]) for event in map(json.loads, done.stderr.splitlines())]


def test_libraries_are_heard_when_it_is_serious_and_the_app_from_info_on() -> None:
    both = ("by logging", "by structlog")
    own = [(name, how) for name in ("shop.jobs.mail", "barback.worker") for how in both]
    assert said_at("") == [*own, ("acme.orders", "asked for"), ("httpx", "serious")]


def test_whoever_asks_for_less_hears_less() -> None:
    assert said_at("logging.CRITICAL") == [("acme.orders", "asked for")]


def test_nothing_is_configured_that_nobody_asked_for() -> None:
    program = "import logging; from barback.logs import send_logs_of; send_logs_of('shop'); "
    program += (
        "print(logging.getLogger('shop').level, logging.getLogger('barback').level, logging.getLogger().handlers)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0 0 []\n"


def test_what_is_too_long_is_cut_and_says_so() -> None:
    name = "n" * 100_000
    event = cut_texts(
        None, "info", {"event": name, "job": name, "ids": [name], "short": "Ada", "attempt": 3, "exception": name}
    )
    for key in ("event", "job", "ids"):
        assert len(str(event[key])) < LONGEST + 50
    assert str(event["job"]) == f"{name[:LONGEST]}… (cut: it has 100,000 characters)"
    assert "(cut: it has 100,004 characters)" in str(event["ids"])
    assert (event["short"], event["attempt"], event["exception"]) == ("Ada", 3, name)


def test_both_forms_of_lines_are_cut() -> None:
    for terminal in (False, True):
        program = PROGRAM.format(terminal=terminal) + 'log.info("long", job="n" * 100_000)\n'
        arguments = [sys.executable, "-c", program]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, env={"NO_COLOR": "1"})
        line = done.stderr.splitlines()[-1]
        assert "(cut: it has 100,000 characters)" in line
        assert len(line) < LONGEST + 300
