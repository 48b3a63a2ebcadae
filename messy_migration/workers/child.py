"""Child processes: where one from nothing begins, and how none outlives its parent."""

from __future__ import annotations

import ctypes
import mmap
import os
import pickle
import signal
import sys
from multiprocessing.connection import Connection

from messy_migration.workers.order import Order
from messy_migration.workers.pulse import BYTES, Pulse

# See prctl(2).
_PARENT_DEATH = 1  # PR_SET_PDEATHSIG
_NAME = 15  # PR_SET_NAME


def tie_to_parent(parent: int, name: str) -> None:
    """Called by a child: be killed when its parent ends, and leave Ctrl-C to the parent.

    Args:
        parent: the pid that started this process; if it is gone already, the child ends now.
        name: what lists of processes call it, of 15 characters at most.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C goes to the whole group
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_NAME, name.encode())
        libc.prctl(_PARENT_DEATH, signal.SIGKILL)
    if is_orphan(parent):
        os._exit(1)


def is_orphan(parent: int) -> bool:
    """The process that started this one is gone."""
    return os.getppid() != parent


def main(files: list[int], parent: int) -> None:
    """Do what the first message of the pipe orders.

    Args:
        files: the pipe, the memory of the pulse, and what is open as long as the process lives.
        parent: the process that gives the order.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for file in files:
        os.set_inheritable(file, False)  # noqa: FBT003 - as the standard library has it
    pipe, memory, _ = files
    connection, pulse = Connection(pipe), Pulse(mmap.mmap(memory, BYTES))
    try:
        order: Order = pickle.loads(connection.recv_bytes())  # noqa: S301 - from the run
    except EOFError:
        sys.exit(1)  # the run died before it said what to do
    order.obey(connection, pulse, parent)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:4]], int(sys.argv[4]))
