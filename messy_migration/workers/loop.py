"""What a worker process does from its first moment to its last."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from messy_migration import logs
from messy_migration.errors import PluginError, packed
from messy_migration.model.usage import Usage
from messy_migration.workers.child import is_orphan, tie_to_parent
from messy_migration.workers.pulse import Pulse
from messy_migration.workers.task import Briefing, Task
from messy_migration.workers.telling import Teller, tell_through
from messy_migration.workers.worker import Worker


def work_for(pipe: Connection, pulse: Pulse, parent: int) -> None:
    """Take briefings and tasks from a pipe, and answer how each task ended.

    Args:
        pipe: to the run; a `Briefing` comes first, and None, or its end, ends the work.
        pulse: what the run sees of this process.
        parent: the process that started this one, without which it does not go on.
    """
    tie_to_parent(parent, "mm-worker")
    pulse.start()
    # What plugins print is no data; stdout belongs to the result of the command.
    os.dup2(2, 1)
    teller = Teller(pipe)
    tell_through(teller)
    briefing = _next(pipe, parent)
    if not isinstance(briefing, Briefing):
        return
    worker = _made_ready(briefing)
    stopped = False

    def should_stop() -> bool:
        nonlocal stopped
        if is_orphan(parent):
            os._exit(1)
        if not stopped and pipe.poll():
            stopped = pipe.recv() is None
        return stopped

    while not stopped:
        message = _next(pipe, parent)
        if message is None:
            return
        if isinstance(message, Briefing):
            briefing = message
            logs.name_run(briefing.run_id)
            continue
        answer: dict[str, Any] = {"complete": False, "error": None}
        teller.task = message
        try:
            worker = worker or Worker(briefing)
            worker.briefing = briefing
            answer["complete"] = worker.work(message, should_stop, pulse.at)
        except (EOFError, BrokenPipeError):
            return
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, it is told
            # A Ctrl-C never gets here, so this one was raised by a plugin.
            answer["error"] = packed(_blamed(error), message.label)
        teller.task = None
        answer["lanes"] = worker.lane.heads if worker else {}
        answer["usage"] = worker.usage() if worker else Usage()
        teller.send(answer)


def _next(pipe: Connection, parent: int) -> Briefing | Task | None:
    """What the run says next; None where there is nothing more to do."""
    try:
        message: Briefing | Task | None = pipe.recv()
    except (EOFError, OSError):
        return None
    return None if is_orphan(parent) else message


def _made_ready(briefing: Briefing) -> Worker | None:
    """Settings, plugins and target, while the run still plans."""
    worker = None
    # What is wrong now is wrong again with the first task, and then there is somebody to tell.
    with suppress(Exception):
        worker = Worker(briefing)
    # What is here by now stays. A source that makes an object of every record would have Python
    # look through all that was ever imported for cycles, at every some thousand of them.
    gc.freeze()
    return worker


def _blamed(error: BaseException) -> BaseException:
    if isinstance(error, KeyboardInterrupt):
        return PluginError("a plugin raised KeyboardInterrupt")
    return error
