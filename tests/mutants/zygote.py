"""A process that has imported what is not ours, and runs pytest in a child for each question.

One line of JSON asks: arguments of pytest, and seconds; one answers: the exit code (negative for
the signal that ended it), and the end of what was printed. The arguments of this process are
folders in which our packages are looked for first; none of these may be imported here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile

import psycopg  # noqa: F401  most of the time of a small test is spent on imports
import pyarrow.compute  # noqa: F401
import pydantic  # noqa: F401
import pytest
import sqlalchemy  # noqa: F401

_SAID = 3_000


def run(arguments: list[str], seconds: int) -> dict[str, object]:
    """What pytest gives with these arguments, in a child that has so much time."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if not child:
            _become(output.fileno(), seconds)
            os._exit(int(pytest.main(arguments)))
        _, status = os.waitpid(child, 0)
        # What it has started may outlive it, if it was ended for taking too long.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        output.seek(0)
        said = output.read()[-_SAID:].decode(errors="replace")
    return {"code": os.waitstatus_to_exitcode(status), "said": said}


def _become(output: int, seconds: int) -> None:
    os.setsid()
    signal.alarm(seconds)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def main() -> None:
    """Answer until there is no question."""
    sys.path[:0] = sys.argv[1:]
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)  # noqa: T201  the answer


if __name__ == "__main__":
    main()
