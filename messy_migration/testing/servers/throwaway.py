"""Server processes of our own that leave nothing behind, and the folders that they live in.

A server runs in a temporary folder, as `nobody` where the tests run as root, because no
database server wants to be root's. It ends together with the process that started it.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from messy_migration.errors import ConfigurationError

_MARK = "in-use"

# Becomes the server: first it leaves root, then it asks the kernel to end it together with the
# process that started it (a change of user would undo the request), so that a killed test run
# leaves no server. In a `preexec_fn` the same would not be safe in a process with threads.
_LAUNCHER = """
import ctypes, os, signal, sys
parent, user, group = (int(word) for word in sys.argv[1:4])
libc = ctypes.CDLL(None)
if user >= 0:
    os.setgroups([]); os.setgid(group); os.setuid(user)
if sys.platform == "linux":
    libc.prctl(1, int(signal.SIGQUIT))
    if os.getppid() != parent:
        sys.exit("the process that wanted a server has gone")
os.execv(sys.argv[4], sys.argv[4:])
"""


@contextmanager
def temporary_home(prefix: str) -> Iterator[Path]:
    """A folder for one server, removed at the end; so are those of test runs that were killed.

    Args:
        prefix: how the names of such folders begin.
    """
    _sweep(prefix)
    home = Path(tempfile.mkdtemp(prefix=prefix, dir=temporary()))
    owner = _owned(home)
    try:
        give(home)
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)
        owner.close()


def give(path: Path) -> None:
    """Let the user under which servers run own a file or folder."""
    if _unprivileged() is not None:
        os.chown(path, *_unprivileged_ids())


def free_port() -> int:
    """A port of 127.0.0.1 that is free at this moment; another process may take it at the next."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(command: list[str], home: Path, output: int) -> subprocess.Popen[bytes]:
    """Start a server, or a program that prepares one, in its folder.

    Args:
        command: the program and its arguments.
        home: the folder to work in.
        output: the file descriptor that takes what it says.
    """
    user, group = _unprivileged_ids()
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER]
    return subprocess.Popen(
        [*launcher, str(os.getpid()), str(user), str(group), *command],
        cwd=home,
        # Not ours: a PGDATA or PGPORT of the caller would reach the server.
        env={"PATH": os.defpath, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        # Ctrl-C on the terminal is for pytest, which then stops the server itself.
        start_new_session=True,
    )


def _unprivileged() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _unprivileged_ids() -> tuple[int, int]:
    user = _unprivileged()
    return (user.pw_uid, user.pw_gid) if user else (-1, -1)


def is_traversable(folder: Path) -> bool:
    """Whether the unprivileged user can reach what is in the folder."""
    if _unprivileged() is None:
        return True
    resolved = folder.resolve()
    return all(path.stat().st_mode & 0o001 for path in (resolved, *resolved.parents))


def temporary() -> Path:
    """The folder in which the folders of servers are made.

    Raises:
        ConfigurationError: there is none that `nobody` can reach.
    """
    for name in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 - mkdtemp goes below
        if Path(name).is_dir() and is_traversable(Path(name)):
            return Path(name)
    raise ConfigurationError(
        "no temporary folder that the user nobody can reach",
        where=tempfile.gettempdir(),
        next="point TMPDIR to a folder that others may enter",
    )


def reachable(binaries: Path, home: Path) -> Path:
    """The binaries, or a copy of them where the unprivileged user cannot reach them."""
    if is_traversable(binaries):
        return binaries
    tree = binaries.parent
    copy = home / "copy" / tree.parent.name
    shutil.copytree(tree, copy / tree.name, symlinks=True)
    # A repaired wheel keeps its shared libraries beside the package and finds them from there.
    libraries = tree.parent.with_name(f"{tree.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True)
    (home / "copy").chmod(0o755)
    return copy / tree.name / binaries.name


def _owned(home: Path) -> IO[bytes]:
    """Mark the folder as in use until the file is closed, by us or by the death of the process.

    The mark gets its name only when it is locked, so that nobody ever sees it without.
    """
    mark = (home / "starting").open("wb")
    fcntl.flock(mark, fcntl.LOCK_EX)
    Path(mark.name).rename(home / _MARK)
    return mark


def _sweep(prefix: str) -> None:
    """Remove the folders of test runs that were killed; their servers have ended with them."""
    for folder in temporary().glob(f"{prefix}*"):
        try:
            with (folder / _MARK).open("rb") as mark:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # in use, or somebody else's
            continue
        shutil.rmtree(folder, ignore_errors=True)


def last_line(log: Path) -> str:
    """The last line that a server wrote."""
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")
