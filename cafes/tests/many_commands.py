"""Run by tests: many calls of the command lines, each in a process of its own that has imported everything already.

From stdin a JSON list of `{"arguments": ["barback", …], "environment": {…}}`; to stdout one of what each printed, and
its exit code. Two run at a time.
"""

import importlib
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from barback.cli import main as barback_main
from cafes.cli import main as cafes_main

MAINS = {"barback": barback_main, "cafes": cafes_main}
WARM = ("barback.bullmq", "cafes.app", "cafes.migrate", "cafes.store.postgres")
"""What the commands import, imported once for all of them."""
TIMEOUT_S = 30


def run(call: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()
        if not child:
            _become(call, said.fileno())
        _, status = os.waitpid(child, 0)
        said.seek(0)
        return {"code": os.waitstatus_to_exitcode(status), "said": said.read()}


def _become(call: dict[str, Any], said: int) -> None:
    import signal

    signal.alarm(TIMEOUT_S)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.environ.update(call["environment"])
    program, *arguments = call["arguments"]
    code: Any = 1
    try:
        MAINS[program].main(arguments, prog_name=program)
    except SystemExit as end:
        code = end.code
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream:
                stream.flush()
        os._exit(code or 0)


if __name__ == "__main__":
    for name in WARM:
        importlib.import_module(name)
    calls = json.load(sys.stdin)
    with ThreadPoolExecutor(2) as pool:
        json.dump(list(pool.map(run, calls)), sys.stdout)
