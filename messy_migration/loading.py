"""Import a plugin: first in a child process, then here.

An import may end the process, crash it or never come back, and then nobody is left to say so. A
fork costs a few milliseconds where this process has one thread, so that is where it is done; in
a process with threads a fork is not safe and the import is not tried beforehand.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import logging
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from messy_migration.errors import PluginError

IMPORT_SECONDS = 60.0
"""An import that takes longer has no end; a slow one takes a few seconds."""

_DONE = b"."
_THREADS = Path("/proc/self/task")
_OF_JEMALLOC = "jemalloc_bg_thd"
"""A thread of the allocator that pyarrow brings; it takes care of forks itself."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin as its distribution offers it; nothing of it is imported yet."""

    entry: EntryPoint
    distribution: str
    version: str
    location: str

    @property
    def label(self) -> str:
        """Distribution and version."""
        return f"{self.distribution} {self.version}"


def load(name: str, offer: Found) -> Any:
    """Import a plugin; what it prints meanwhile goes to the log, under its name.

    Raises:
        PluginError: it cannot be imported.
    """
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            return offer.entry.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise broken(name, offer, _import_failure(error)) from error
    finally:
        if printed.getvalue().strip():
            _log.info("plugin %s printed at import: %s", name, printed.getvalue().strip())


def try_imports(chosen: Mapping[str, Found], seconds: float = IMPORT_SECONDS) -> None:
    """Import the plugins, and ask each for its settings model, in a child process.

    What was imported here already is left out. An exception is none of this function's business:
    it comes again, with its place, when the plugin is imported here.

    Raises:
        PluginError: one ends the process, crashes it, or does not come back in `seconds`.
    """
    untried = {name: it for name, it in chosen.items() if it.entry.module not in sys.modules}
    if not untried or not has_one_thread():
        return
    done, how = in_a_child([_first_acts(offer) for offer in untried.values()], seconds)
    if done < len(untried):
        name = list(untried)[done]
        raise broken(name, untried[name], how)


def in_a_child(acts: list[Callable[[], object]], seconds: float) -> tuple[int, str]:
    """Do things in a forked process, one after the other.

    Args:
        acts: what is done; what they print is dropped, and exceptions count as an end.
        seconds: how long all of it may take.

    Returns:
        How many came to an end, and what became of the process in the one that did not.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            _act(acts, writing, seconds)
        finally:
            os._exit(0)
    os.close(writing)
    try:
        done, is_late = _watch(reading, len(acts), seconds)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if is_late:
        return done, f"it does not come back within {seconds:g} s when it is imported"
    if status < 0:
        return done, f"it crashes the process when it is imported ({signal.Signals(-status).name})"
    return done, f"it ends the process when it is imported (exit status {status})"


def _act(acts: list[Callable[[], object]], writing: int, seconds: float) -> None:
    """What the child does."""
    signal.alarm(int(seconds) + 1)  # should its parent be killed meanwhile
    faulthandler.disable()  # how it ends is told by its parent, in one line
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    for act in acts:
        with contextlib.suppress(BaseException):
            act()
        os.write(writing, _DONE)


def _watch(reading: int, count: int, seconds: float) -> tuple[int, bool]:
    """How many acts came to an end, and whether the time was over before all had."""
    done, end = 0, time.monotonic() + seconds
    while done < count:
        remaining = end - time.monotonic()
        if remaining <= 0 or not select.select([reading], [], [], remaining)[0]:
            return done, True
        piece = os.read(reading, count)
        if not piece:
            break
        done += len(piece)
    return done, False


def _first_acts(offer: Found) -> Callable[[], object]:
    def acts() -> None:
        plugin = offer.entry.load()
        if hasattr(plugin, "settings_model"):
            plugin.settings_model()

    return acts


def has_one_thread() -> bool:
    """Whether a fork takes everything along; threads of libraries count too where it is known."""
    if sys.platform != "linux":
        return False  # elsewhere the system's own frameworks do not survive a fork
    names = [(thread / "comm").read_text().strip() for thread in _THREADS.iterdir()]
    return threading.active_count() == 1 and len([n for n in names if n != _OF_JEMALLOC]) == 1


def broken(name: str, offer: Found, why: str) -> PluginError:
    """The error of a plugin that cannot be used."""
    return PluginError(
        f"the plugin {name!r} is broken",
        where=offer.label,
        why=why,
        next=f"repair or uninstall {offer.distribution}",
    )


def place(error: BaseException) -> str:
    """Type and place of an error, without its text: a plugin's message may quote a record."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    return f"{type(error).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno}"


def _import_failure(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"the module {error.name!r} is missing"
    if isinstance(error, SyntaxError):
        return f"SyntaxError at {Path(error.filename or '?').name}:{error.lineno}: {error.msg}"
    if isinstance(error, SystemExit):
        return "it ends the process when it is imported"
    if isinstance(error, ImportError | AttributeError):
        return f"{type(error).__name__}: {error}"
    return place(error)
