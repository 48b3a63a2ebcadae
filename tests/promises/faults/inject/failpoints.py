"""Named moments of a run at which it can be made to fail, and what then happens to it.

A plan is a list of faults in the environment variable FAULTS_PLAN (JSON: point, hit, action).
Hits are counted over all processes of a run, in files of the folder FAULTS_DIR, so that "the
seventh batch" means the same however many workers there are. A fault says in the file `fired`
that it comes before it acts: a fault that did not fire proves nothing.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import hooking
from points import POINTS, whole


class Injected(Exception):
    """The action `raise`: an error that nobody foresaw."""


class Stubborn(Exception):
    """The action `unpicklable`: an error that no process can hand to another."""

    def __init__(self, first, second):
        super().__init__(first)
        self.second = second

    def __reduce__(self):
        raise TypeError("this error does not travel")


def patches():
    """Module name -> the patches that put the points in."""
    by_place = defaultdict(lambda: defaultdict(list))
    for name, point in POINTS.items():
        for place in point.places:
            module, path = whole(place)
            by_place[module][path].append((name, point.when))
    return {module: [functools.partial(_put_in, paths=paths)] for module, paths in by_place.items()}


def _put_in(module, paths):
    for path, names in paths.items():
        hooking.replace(module, path, functools.partial(_wrapped, names=names))
    if module.__name__ == "sqlalchemy.engine.default":
        hooking.replace(module, "DefaultDialect.do_rollback", _forgetting)


_this = threading.local()
"""Of this thread: the fence was checked, so that the next COMMIT is one that counts.

A transaction in a hurry is none: events and links come when a clock says so, and not in every run.
"""


def _wrapped(function, names):
    def meet(when):
        for name, moment in names:
            if moment == when and (not name.startswith(("commit.", "decision.")) or is_fenced()):
                hit(name)

    def is_fenced():
        return getattr(_this, "fenced", False)

    @functools.wraps(function)
    def call(*arguments, **named):
        meet("before")
        result = function(*arguments, **named)
        if function.__qualname__ == "check" and function.__module__.endswith(".fence"):
            _this.fenced = not _is_hurried(arguments[0])
        meet("after")
        if function.__qualname__.endswith(".do_commit"):
            _this.fenced = False
        return result

    @functools.wraps(function)
    def walk(*arguments, **named):
        for item in function(*arguments, **named):
            meet("each")
            yield item

    return walk if any(when == "each" for _, when in names) else call


def _is_hurried(connection):
    # The package is being patched while this module is imported.
    from messy_migration.databases.open import HURRIED

    return connection.get_execution_options().get(HURRIED, False)


def _forgetting(function):
    @functools.wraps(function)
    def call(*arguments):
        _this.fenced = False
        return function(*arguments)

    return call


def hit(name):
    """Count that a point was met, and fail if the plan says so."""
    folder = os.environ.get("FAULTS_DIR")
    # A run under test leads a process group of its own, and its workers are in it.
    process = "parent" if os.getpid() == os.getpgrp() else "worker"
    if not folder or POINTS[name].process != process:
        return
    count = _counted(Path(folder) / name)
    for fault in json.loads(os.environ.get("FAULTS_PLAN", "[]")):
        if fault["point"] == name and fault["hit"] == count:
            fire(fault)


def fire(fault):
    """Write down that it comes, and let it."""
    with Path(os.environ["FAULTS_DIR"], "fired").open("a") as file:
        file.write(json.dumps({**fault, "pid": os.getpid(), "at": time.time()}) + "\n")
    _act(fault["action"])


def _counted(path):
    """Append one byte; where the file then ends is the number of the hit, in all processes."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, b".")
        return os.lseek(handle, 0, os.SEEK_CUR)
    finally:
        os.close(handle)


def _act(action):
    word, _, value = action.partition(":")
    _ACTIONS[word](*([value] if value else []))


def _kill():
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # until the signal comes


def _fail():
    raise Injected


def _fail_stubborn():
    raise Stubborn(1, 2)


def _fail_os(number):
    raise OSError(number, os.strerror(number))


def _lose():
    """COMMIT was carried out, and it is not said: the connection dies, or the file is busy."""
    if os.environ["MIGRATE_TARGET"].startswith("postgresql"):
        import psycopg

        raise psycopg.OperationalError("consuming input failed: server closed the connection")
    _fail_sqlite("SQLITE_BUSY", "database is locked")


def _fail_sqlite(name, text):
    import sqlite3

    error = sqlite3.OperationalError(text)
    error.sqlite_errorname, error.sqlite_errorcode = name, getattr(sqlite3, name)
    raise error


def _refuse():
    """The database cannot read what it stored."""
    if os.environ["MIGRATE_TARGET"].startswith("postgresql"):
        import psycopg

        raise psycopg.errors.DataCorrupted("invalid page in block 0")
    _fail_sqlite("SQLITE_CORRUPT", "database disk image is malformed")


def _eat(group):
    """Take all the memory that a control group may have."""
    Path(group, "cgroup.procs").write_text(str(os.getpid()))
    taken = []
    while True:
        taken.append(b"x" * (8 << 20))


_ACTIONS = {
    "kill9": _kill,
    "raise": _fail,
    "unpicklable": _fail_stubborn,
    "exit0": lambda: os._exit(0),
    "sysexit": lambda: sys.exit(0),
    "abort": os.abort,
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "sleep": lambda seconds: time.sleep(float(seconds)),
    "enospc": lambda: _fail_os(errno.ENOSPC),
    "oserror": lambda: _fail_os(errno.EIO),
    "lost": _lose,
    "unreadable": _refuse,
    "eat": _eat,
}
