"""A Postgres server of our own, from a folder of binaries, that leaves nothing behind.

It listens on 127.0.0.1 only, under a fresh password, in a temporary folder. Postgres refuses
to run as root, so under root it runs as `nobody`.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psycopg

from messy_migration.errors import ConfigurationError, TargetError

_USER = "postgres"
_PREFIX = "messy-migration-pg-"
_MARK = "in-use"
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0

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


@dataclass(slots=True)
class Cluster:
    """One server process and its data.

    Attributes:
        binaries: the folder of `postgres` and `initdb`.
        home: temporary folder of data and log.
        settings: configuration parameters, given on the server's command line.
        port: on 127.0.0.1; the same after a restart.
        password: of the superuser `postgres`.
    """

    binaries: Path
    home: Path
    settings: Mapping[str, str]
    port: int = 0
    password: str = field(default_factory=lambda: secrets.token_hex(12), repr=False)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def user(self) -> str:
        """The superuser's name."""
        return _USER

    @property
    def is_running(self) -> bool:
        """Whether the server process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of the running server.

        Raises:
            TargetError: it is stopped.
        """
        if self._process is None or not self.is_running:
            raise TargetError("the Postgres server of the tests is stopped", where=str(self.home))
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it takes connections.

        Raises:
            TargetError: it does not come up; `why` is the last line of its log.
        """
        if self.is_running:
            return
        command = [str(self.binaries / "postgres"), "-D", str(self.home / "data")]
        command += ["-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        for name, value in self.settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.home / "log").open("ab") as log:
            self._process = _launch(command, self.home, log.fileno())
        self._wait()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT is a fast shutdown, SIGQUIT or SIGKILL a crash."""
        if self._process is None:
            return
        for attempt in (how, signal.SIGQUIT, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(attempt)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            break
        self._process = None

    def _wait(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while self.is_running and time.monotonic() < end:
            try:
                psycopg.connect(
                    host="127.0.0.1",
                    port=self.port,
                    user=_USER,
                    password=self.password,
                    dbname="postgres",
                    sslmode="disable",
                    connect_timeout=2,
                ).close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return
        self.stop(signal.SIGQUIT)
        raise TargetError(
            "the Postgres server of the tests does not start",
            where=str(self.binaries),
            why=_last_line(self.home / "log"),
        )


@contextmanager
def cluster(binaries: Path, settings: Mapping[str, str]) -> Iterator[Cluster]:
    """A running server, removed with all its data at the end.

    Args:
        binaries: the folder of `postgres` and `initdb`.
        settings: configuration parameters by name.

    Raises:
        TargetError: the server cannot be made or does not start.
    """
    _sweep()
    home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_temporary()))
    made = Cluster(binaries, home, settings)
    owner = _owned(home)
    try:
        if _unprivileged() is not None:
            os.chown(home, *_unprivileged_ids())
        made.binaries = _reachable(binaries, home)
        _initialise(made)
        _start_on_free_port(made)
        yield made
    finally:
        made.stop(signal.SIGQUIT)
        shutil.rmtree(home, ignore_errors=True)
        owner.close()


def _initialise(made: Cluster) -> None:
    secret = made.home / "password"
    secret.touch(mode=0o600)
    secret.write_text(made.password)
    if _unprivileged() is not None:
        os.chown(secret, *_unprivileged_ids())
    command = [str(made.binaries / "initdb"), "-D", str(made.home / "data"), "-U", _USER]
    command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"]
    command += ["--encoding=UTF8", "--no-locale"]
    log = made.home / "log"
    with log.open("ab") as output:
        code = _launch(command, made.home, output.fileno()).wait()
    secret.unlink()
    if code:
        raise TargetError(
            "initdb cannot make a Postgres server for the tests",
            where=str(made.binaries),
            why=_last_line(log),
        )


def _start_on_free_port(made: Cluster) -> None:
    """Between choosing a port and taking it, somebody else may: then choose again."""
    for left in (2, 1, 0):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            made.port = probe.getsockname()[1]
        try:
            made.start()
        except TargetError:
            taken = "could not bind" in (made.home / "log").read_text(errors="replace")
            if not (taken and left):
                raise
        else:
            return


def _launch(command: list[str], home: Path, output: int) -> subprocess.Popen[bytes]:
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


def _is_traversable(folder: Path) -> bool:
    """Whether the unprivileged user can reach what is in the folder."""
    if _unprivileged() is None:
        return True
    resolved = folder.resolve()
    return all(path.stat().st_mode & 0o001 for path in (resolved, *resolved.parents))


def _temporary() -> Path:
    for name in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 - mkdtemp goes below
        if Path(name).is_dir() and _is_traversable(Path(name)):
            return Path(name)
    raise ConfigurationError(
        "no temporary folder that the user nobody can reach",
        where=tempfile.gettempdir(),
        next="point TMPDIR to a folder that others may enter",
    )


def _reachable(binaries: Path, home: Path) -> Path:
    """The binaries, or a copy of them where the unprivileged user cannot reach them."""
    if _is_traversable(binaries):
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


def _sweep() -> None:
    """Remove the folders of test runs that were killed; their servers have ended with them."""
    for folder in _temporary().glob(f"{_PREFIX}*"):
        try:
            with (folder / _MARK).open("rb") as mark:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # in use, or somebody else's
            continue
        shutil.rmtree(folder, ignore_errors=True)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")
