"""Workers for commands that a test runs in its own process, which has threads and may not fork.

A nursery of a process of its own serves all of a session's commands: it imports once what each
of their workers would import again.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from messy_migration.workers.nursery import Nursery, tend

_PROGRAM = (
    "import sys; from messy_migration.testing import warm; warm.main(*map(int, sys.argv[1:]))"
)


def main(channel: int, session: int) -> None:
    """What the process does."""
    for name in ("pandas", "messy_migration.api"):
        __import__(name)
    tend(socket.socket(fileno=channel), session)


@contextmanager
def nursery() -> Iterator[Nursery | None]:
    """Start it, and end it; None where the system has none."""
    if not hasattr(os, "pidfd_open"):
        yield None
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), str(os.getpid())],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    try:
        yield Nursery(ours)
    finally:
        ours.close()
        process.wait()
