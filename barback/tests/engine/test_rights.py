"""The commands a worker needs: those asked about, and allowed by the shipped ACL, are those sent (P44)."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import redis

from barback.bullmq import connection
from barback.bullmq.rights import BESIDE, ON_KEYS, OPTIONAL
from barback.bullmq.scripts import load_scripts

CALL = re.compile(r"""\b(?:r?call|pcall|try)\s*\(\s*["'](\w+)["']""")
WORD = re.compile(r'"([A-Z]{3,})"')
FOLDER = Path(connection.__file__).parent
NOT_NEEDED = {"CONFIG", "CLIENT"}
"""`CONFIG GET` and `CLIENT LIST`: asked of a server that may refuse them."""
TRIED = {"SORT"}
"""Our scripts do without it."""


def test_every_command_of_every_script_is_among_them() -> None:
    sent = {name.upper() for script in load_scripts().values() for name in CALL.findall(script.text)}
    assert {"PSETEX", "ZCOUNT", "HINCRBY"} <= sent, "ours call it call and try, BullMQ's rcall"
    assert sent - {*ON_KEYS} == TRIED
    assert {"LPUSH", "RPUSH"} <= {*ON_KEYS}, "BullMQ's scripts take one of these by an argument"


def test_every_command_that_is_sent_beside_scripts_is_among_them(valkey_url: str) -> None:
    with closing(cast("Any", redis.Redis).from_url(valkey_url, decode_responses=True)) as server:
        commands = {str(name).upper() for name in server.command()}
    texts = [file.read_text() for file in FOLDER.glob("*.py") if file.name != "rights.py"]
    words = {word for text in texts for word in WORD.findall(text)}
    sent = (words & commands) - NOT_NEEDED
    assert {"ZRANK", "XREVRANGE", "SCAN"} <= sent
    assert sent - {*ON_KEYS, *BESIDE, *OPTIONAL} == set()
