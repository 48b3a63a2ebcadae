"""A process that has imported everything, and forks the command `migrate` on request.

Orders come as lines of JSON on stdin: {"argv", "folder", "environment"} starts a command in a
session of its own and answers its pid; {"wait": pid} answers how it ended. A start costs
milliseconds in the place of seconds, so that a thousand of them can be killed. What is forked
is the very entry of the command.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback

import variants

_NEEDED = (
    "alembic.command",
    "alembic.config",
    "alembic.ddl.postgresql",
    "alembic.ddl.sqlite",
    "messy_migration.cli.main",
    "messy_migration.cli.run",
    "messy_migration.workers.nursery",
    "messy_migration.workers.pool",
    "pandas",
    "pgpq",
    "psycopg",
    "pyarrow.compute",
    "pyarrow.ipc",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
)


def main():
    """Serve until stdin ends."""
    for name in _NEEDED:
        importlib.import_module(name)
    _answer({"ready": os.getpid()})
    alive = set()
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            alive.discard(order["wait"])
            _answer({"code": os.waitstatus_to_exitcode(status)})
            continue
        pid = os.fork()
        if pid == 0:
            _become(order)
        alive.add(pid)
        _answer({"pid": pid})
    for pid in alive:
        os.killpg(pid, signal.SIGKILL)


def _answer(found):
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def _become(order):
    """The forked process: it never comes back."""
    code = 1
    try:
        os.setsid()
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environment"])
        for number, name, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, "out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (2, "err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        ):
            handle = os.open(name, flags, 0o600)
            os.dup2(handle, number)
            os.close(handle)
        variants.apply()
        sys.argv = ["migrate", *order["argv"]]
        from messy_migration.cli.main import main as migrate

        migrate()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - nothing of the fork may come back
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
