"""The Node process of these tests: started once, told what to do in JSON lines (`driver.cjs` says which)."""

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DEADLINE_S = 15.0


class NodeError(Exception):
    """What BullMQ in Node threw, in its own words."""


class NodeMissing(Exception):
    """Node or npm is not there, or its packages cannot be installed; says what to do."""


class Node:
    """One Node process, of the driver or another script that speaks as it does.

    Its answers are read by a thread, so it serves every test's event loop.
    """

    def __init__(self, connection: dict[str, Any], script: Path = HERE / "driver.cjs", *arguments: str) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 — closed in close()
        self._process = subprocess.Popen(
            ["node", str(script), json.dumps(connection), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            encoding="ascii",
            start_new_session=True,
        )
        self._ids = itertools.count(1)
        self._asked: dict[int, Future[Any]] = {}
        self._reader = threading.Thread(target=self._read, name="node-answers", daemon=True)
        self._reader.start()

    async def call(self, version: int, queue: str, call: str, timeout_s: float = DEADLINE_S, **args: Any) -> Any:
        """Do `call` in BullMQ `version` on `queue` and return its answer.

        :raises NodeError: it threw.
        :raises TimeoutError: no answer within `timeout_s`.
        """
        number = next(self._ids)
        answer: Future[Any] = Future()
        self._asked[number] = answer
        line = json.dumps({"id": number, "version": version, "queue": queue, "call": call, "args": args})
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._ended() from None
        try:
            return await asyncio.wait_for(asyncio.wrap_future(answer), timeout_s)
        except TimeoutError:
            raise TimeoutError(f"Node did not answer '{call}' within {timeout_s:g} s. It said: {self.said()}") from None

    def said(self) -> str:
        """The end of what the process wrote to stderr."""
        # Not seek and read: the process writes at the offset that this file and its own share.
        return os.pread(self._said.fileno(), 1_000_000, 0).decode(errors="replace")[-2000:]

    def close(self) -> None:
        """End the process; it ends by itself when its stdin does."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)
        self._process.stdout.close()
        self._said.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            answer = self._asked.pop(said["id"])
            # A caller that ran into its deadline has cancelled its future.
            if not answer.set_running_or_notify_cancel():
                continue
            if "error" in said:
                answer.set_exception(NodeError(said["error"]))
            else:
                answer.set_result(said["result"])
        for answer in self._asked.values():
            if answer.set_running_or_notify_cancel():
                answer.set_exception(self._ended())

    def _ended(self) -> NodeError:
        return NodeError(f"The Node process ended (exit code {self._process.poll()}). It said: {self.said()}")


def install() -> None:
    """Make sure Node is there and the packages are exactly the lock file's.

    :raises NodeMissing: says what is missing and what to do.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise NodeMissing(f"'{program}' is not on PATH: install Node 20 or newer, or leave these tests to CI.")
    if _installed():
        return
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "npm_config_update_notifier": "false"},
        check=False,
    )
    if done.returncode != 0:
        raise NodeMissing(f"'npm ci' in {HERE.name}/ failed:\n{done.stderr[:1500]}")


def _installed() -> bool:
    """Whether npm's own note of what it installed says what the lock file does; but for other platforms' packages."""
    note = HERE / "node_modules" / ".package-lock.json"
    if not note.is_file():
        return False
    there, wanted = (json.loads(path.read_text())["packages"] for path in (note, HERE / "package-lock.json"))
    del wanted[""]
    return all(
        there.get(name, package if package.get("optional") else None) == package for name, package in wanted.items()
    )
