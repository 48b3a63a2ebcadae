"""A Postgres server of our own, from a folder of binaries, that leaves nothing behind.

It listens on 127.0.0.1 only, under a fresh password, in a temporary folder.
"""

from __future__ import annotations

import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from messy_migration.errors import TargetError
from messy_migration.testing.servers.throwaway import (
    free_port,
    give,
    last_line,
    launch,
    reachable,
    temporary_home,
)

_USER = "postgres"
_PREFIX = "messy-migration-pg-"
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0


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
            self._process = launch(command, self.home, log.fileno())
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
            why=last_line(self.home / "log"),
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
    with temporary_home(_PREFIX) as home:
        started = Cluster(binaries, home, settings)
        try:
            started.binaries = reachable(binaries, home)
            _initialise(started)
            _start_on_free_port(started)
            yield started
        finally:
            started.stop(signal.SIGQUIT)


@contextmanager
def standby(primary: Cluster) -> Iterator[Cluster]:
    """A streaming standby of a server of ours, named `standby`; it can be promoted.

    Raises:
        TargetError: it cannot be made, or does not start.
    """
    with temporary_home(_PREFIX) as home:
        follower = Cluster(primary.binaries, home, {**primary.settings, "cluster_name": "standby"})
        follower.password = primary.password
        try:
            _copy(primary, follower)
            _start_on_free_port(follower)
            yield follower
        finally:
            follower.stop(signal.SIGQUIT)


def _copy(primary: Cluster, follower: Cluster) -> None:
    secret = follower.home / "password"
    secret.touch(mode=0o600)
    secret.write_text(f"127.0.0.1:{primary.port}:*:{_USER}:{primary.password}\n")
    give(secret)
    conninfo = f"host=127.0.0.1 port={primary.port} user={_USER} passfile={secret}"
    command = [
        str(follower.binaries / "pg_basebackup"),
        "-D",
        str(follower.home / "data"),
        "-d",
        conninfo,
    ]
    command += ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]
    log = follower.home / "log"
    with log.open("ab") as output:
        code = launch(command, follower.home, output.fileno()).wait()
    if code:
        raise TargetError(
            "pg_basebackup cannot copy the server of the tests",
            where=str(follower.binaries),
            why=last_line(log),
        )


def _initialise(server: Cluster) -> None:
    secret = server.home / "password"
    secret.touch(mode=0o600)
    secret.write_text(server.password)
    give(secret)
    command = [str(server.binaries / "initdb"), "-D", str(server.home / "data"), "-U", _USER]
    command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"]
    command += ["--encoding=UTF8", "--no-locale"]
    log = server.home / "log"
    with log.open("ab") as output:
        code = launch(command, server.home, output.fileno()).wait()
    secret.unlink()
    if code:
        raise TargetError(
            "initdb cannot make a Postgres server for the tests",
            where=str(server.binaries),
            why=last_line(log),
        )


def _start_on_free_port(server: Cluster) -> None:
    """Between choosing a port and taking it, somebody else may: then choose again."""
    for tries in (2, 1, 0):
        server.port = free_port()
        try:
            server.start()
        except TargetError:
            taken = "could not bind" in (server.home / "log").read_text(errors="replace")
            if not (taken and tries):
                raise
        else:
            return
