"""The commands that an error or a page names next, made from the arguments that were really given.

A text names a command in backquotes (`migrate status`) or says "the same command". Where it is
shown, each becomes one that runs as it is printed: with the configuration, the profile and the
target of the command that was typed, and for a run with its plugins and its selection.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

SANDBOX_TARGET = "sqlite:///sandbox.db"
"""The target of `--sandbox` where none is named."""

_NAMED = re.compile(r"`migrate ([a-z][^`]*)`")
_AGAIN = re.compile(r"\b[Tt]he same command\b")
_PASSWORD = re.compile(r"(?<=://)([^:/@]*):[^/]*(?=@)")
_SHORT = {"-c": "--config", "-p": "--profile"}

_PLACE = ("--config", "--profile", "--target")
_READ = ("--plugins", "--sandbox")
_CHOICE = ("--select", "--tenant", "--since", "--engine", "--workers")
_CARRIED: Mapping[str, tuple[str, ...]] = {
    "run": (*_PLACE, *_READ, *_CHOICE),
    "plan": (*_PLACE, *_READ, "--select", "--tenant", "--since"),
    "reconcile": (*_PLACE, *_READ),
    "status": _PLACE,
    "report": _PLACE,
    "config": ("--config", "--profile"),
}
"""Command -> the options of the one before that are repeated with it."""

_FLAGS = frozenset({"--sandbox"})
_TAKEN = frozenset().union(*_CARRIED.values()) - _FLAGS


def runnable(text: str, argv: Sequence[str]) -> str:
    """The text with every command in it as it has to be typed now.

    Args:
        text: of an error, or a line of a page.
        argv: the arguments of the command that was typed; empty from Python, and then nothing
            is changed.
    """
    if not argv:
        return text
    flags = dict(_given(argv))
    text = _NAMED.sub(lambda match: f"`migrate {_completed(match[1], flags)}`", text)
    again = f"`{shlex.join(['migrate', *map(_without_password, argv)])}`"
    # Of an argument nothing is taken for a reference to a group.
    return _AGAIN.sub(lambda _: again, text)


def _completed(command: str, flags: Mapping[str, str]) -> str:
    words = command.split()
    carried = _CARRIED.get(words[0], ())
    if "--rotate-key" in words:  # it reads no source, and goes with no choice of one
        carried = (*_PLACE, "--plugins")
    added = [
        *((name, flags[name]) for name in carried if name in flags and name not in words),
        *_target_of_sandbox(carried, flags),
    ]
    options = [name if name in _FLAGS else f"{name} {shlex.quote(value)}" for name, value in added]
    return " ".join((command, *options))


def _target_of_sandbox(
    carried: Sequence[str], flags: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    is_implied = "--sandbox" in flags and "--target" not in flags
    if is_implied and "--target" in carried and "--sandbox" not in carried:
        yield "--target", SANDBOX_TARGET


def _given(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The options that may be repeated, with their values."""
    words = iter(argv[: argv.index("--")] if "--" in argv else argv)
    for word in words:
        name, has_value, value = word.partition("=")
        name = _SHORT.get(name, name)
        if name in _FLAGS:
            yield name, ""
        elif name in _TAKEN:
            yield name, _without_password(value if has_value else next(words, ""))


def _without_password(word: str) -> str:
    """Take the password out of a URL; the user types it again."""
    return _PASSWORD.sub(r"\1", word)
