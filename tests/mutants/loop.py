"""A pytest plugin that collects tests once, and runs them against one mutant after the other.

MUTANTS_ASKED names a file of JSON, a list of (module, text); for each a line goes to the file that
MUTANTS_TOLD names: `killed`, `survived`, or `late`. The code of a mutant is put into functions
that exist already, in a child that is forked for it, so that nothing is imported twice.
"""

from __future__ import annotations

import gc
import inspect
import json
import os
import signal
import sys
import time
import types
import warnings
from itertools import pairwise
from pathlib import Path

import pytest

SECONDS = 120
"""After which the tests of one mutant count as having noticed it."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Instead of running the tests once."""
    asked = json.loads(Path(os.environ["MUTANTS_ASKED"]).read_text())
    told = Path(os.environ["MUTANTS_TOLD"])
    seconds = told.with_suffix(".seconds")
    if _forked(lambda: _timed(session, seconds), 10 * SECONDS):
        raise pytest.UsageError("the tests fail where nothing is changed")
    # What takes no time notices most.
    taken = json.loads(seconds.read_text())
    session.items.sort(key=lambda item: taken[item.nodeid])
    # A child that collects garbage would copy all that it shares with its parent.
    gc.freeze()
    for module, text in asked:
        code = _forked(lambda module=module, text=text: _tried(session, module, text), SECONDS)
        word = {0: "survived", -signal.SIGALRM: "late"}.get(code, "killed")
        with told.open("a") as file:
            file.write(word + "\n")
    return True


def _forked(act, seconds):
    """The exit code of a child that carries this out and has so much time."""
    with warnings.catch_warnings():
        # Of other threads that may hold a lock: those of numpy, which wait for work.
        warnings.simplefilter("ignore")
        child = os.fork()
    if not child:
        signal.alarm(seconds)
        try:
            act()
        except BaseException:  # noqa: BLE001  a mutant may raise whatever it likes
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _timed(session, path):
    """Run all tests, and write down how long each one takes."""
    taken = {}
    for item in _passing(session):
        taken[item.nodeid] = time.perf_counter()
    begun = [*taken.values(), time.perf_counter()]
    spans = (end - begin for begin, end in pairwise(begun))
    path.write_text(json.dumps(dict(zip(taken, spans, strict=True))))


def _tried(session, module, text):
    become(sys.modules[module], text)
    for _ in _passing(session):
        pass


def _passing(session):
    """Each test just before it is run; it ends with an error at the first that fails."""
    for item, following in zip(session.items, [*session.items[1:], None], strict=True):
        yield item
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            raise AssertionError(item.nodeid)


def become(module, text):
    """Give the functions of a module the code that they have in another text of it."""
    other = types.ModuleType(module.__name__)
    other.__dict__.update(__file__=module.__file__, __package__=module.__package__)
    # Its classes are looked up by their module's name while they are made.
    sys.modules[module.__name__] = other
    try:
        exec(compile(text, module.__file__, "exec"), other.__dict__)
    finally:
        sys.modules[module.__name__] = module
    _swap(module.__name__, vars(module), vars(other))


def _swap(name, old, new):
    for key, value in old.items():
        if inspect.isclass(value) and value.__module__ == name:
            _swap(name, vars(value), vars(new[key]))
        else:
            before, after = _function(value), _function(new.get(key))
            if before is not None and after is not None and before.__module__ == name:
                before.__code__ = after.__code__
                before.__defaults__ = after.__defaults__
                before.__kwdefaults__ = after.__kwdefaults__


def _function(value):
    """The function behind a decorated one, a method or a property."""
    if isinstance(value, classmethod | staticmethod):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    found = inspect.unwrap(value) if callable(value) else None
    return found if inspect.isfunction(found) else None
