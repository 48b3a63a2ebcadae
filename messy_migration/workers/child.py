"""Child processes that never outlive their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

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
