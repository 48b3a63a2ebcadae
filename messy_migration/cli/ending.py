"""Only `main` ends this process: a status of 0 that nobody proved would pass for a MATCH."""

from __future__ import annotations

import os
import posix
import sys

_ENDS = ("_exit", "execv", "execve")


def keep_to_main() -> None:
    """Make the calls that end or replace the process at once raise SystemExit instead.

    So what a plugin does with them is met where its other mistakes are, and named. A child that
    is forked has the real ones.
    """
    real = {name: getattr(posix, name) for name in _ENDS}

    def put_back() -> None:
        for name, function in real.items():
            setattr(os, name, function)
            setattr(posix, name, function)

    os.register_at_fork(after_in_child=put_back)
    for name in _ENDS:
        # Of C, so that the last line of the traceback is the plugin's.
        setattr(os, name, sys.exit)
        setattr(posix, name, sys.exit)
