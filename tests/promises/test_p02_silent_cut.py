"""The network goes silent: no reset, no close, nothing. Both sides find out in bounded time.

In a network namespace of its own, joined by a pair of virtual interfaces. The cut sends frames
to an address that nobody has, so that packets of both directions are lost without a word.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time

import psycopg
import pytest
from sqlalchemy import make_url

from messy_migration.testing.servers.postgres import server

from .faults.site import until

CLIENT_SECONDS = 15.0
SERVER_SECONDS = 30.0

# Holds the run lock, and copies rows until something goes wrong; says what, and when.
CLIENT = """
import sys, time
from sqlalchemy import make_url
from messy_migration.databases.open import open_target
from messy_migration.databases.errors import driver_errors_as_ours
target = open_target(make_url(sys.argv[1]), "mm:cut")
with target.dialect.lock(target.engine) as held:
    with driver_errors_as_ours("x"), target.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a text)")
    print("locked", held(), flush=True)
    try:
        with driver_errors_as_ours("x"), target.engine.connect() as connection:
            while True:
                with connection.begin():
                    connection.exec_driver_sql(
                        "INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 100)")
    except Exception as error:
        kind, at = type(error).__name__, time.monotonic()
        while held() and time.monotonic() < at + 10:
            time.sleep(0.05)
        print(kind, at, held(), flush=True)
"""


def ip(*arguments, check=True):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=check)


@pytest.fixture
def namespace():
    """Name of a namespace whose way to us can be cut: (name, our address, its address, cut)."""
    name = f"mm{secrets.token_hex(3)}"
    if os.geteuid() or not shutil.which("ip") or ip("netns", "add", name, check=False).returncode:
        pytest.skip("NOT EXERCISED: a silent cut needs `ip netns` and the rights of root")
    near, far = f"{name}a", f"{name}b"
    third = 1 + secrets.randbelow(250)
    ours, theirs = f"10.251.{third}.1", f"10.251.{third}.2"
    try:
        made = ip("link", "add", near, "type", "veth", "peer", "name", far, check=False)
        if made.returncode:
            pytest.skip(f"NOT EXERCISED: no virtual interface, {made.stderr.strip()}")
        ip("link", "set", far, "netns", name)
        ip("addr", "add", f"{ours}/30", "dev", near)
        ip("link", "set", near, "up")
        inside = ("-n", name)
        ip(*inside, "addr", "add", f"{theirs}/30", "dev", far)
        ip(*inside, "link", "set", far, "up")
        ip(*inside, "link", "set", "lo", "up")

        def cut():
            nobody = ("lladdr", "02:00:00:00:00:99", "nud", "permanent", "dev")
            ip("neigh", "replace", theirs, *nobody, near)
            ip(*inside, "neigh", "replace", ours, *nobody, far)

        yield name, ours, cut
    finally:
        ip("link", "del", near, check=False)
        ip("netns", "del", name, check=False)


def test_a_silent_cut_ends_the_client_and_frees_the_lock(namespace, record_property):
    name, ours, cut = namespace
    with server(provider=_own(), listen_addresses="*") as running, running.database() as url:
        data = running.cluster.home / "data"
        with (data / "pg_hba.conf").open("a") as file:
            file.write("host all all 10.251.0.0/16 scram-sha-256\n")
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as watcher:
            watcher.execute("SELECT pg_reload_conf()")
            far = make_url(url).set(host=ours).render_as_string(hide_password=False)
            command = ["ip", "netns", "exec", name, sys.executable, "-c", CLIENT, far]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
                assert client.stdout.readline() == "locked True\n"
                time.sleep(0.5)

                def is_held():
                    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                    return watcher.execute(held).fetchone() != (0,)

                assert is_held()
                cut()
                began = time.monotonic()
                freed = until(lambda: not is_held(), 60)
                kind, at, held = client.stdout.readline().split()
                client.kill()
        record_property("seconds until the client knew", round(float(at) - began, 1))
        record_property("seconds until the lock was free", round(freed, 1))
        assert kind == "TargetUnavailable"
        assert float(at) - began < CLIENT_SECONDS
        assert freed < SERVER_SECONDS
        assert held == "False"


def _own():
    """A server of ours even where tests run on another one: its network is going to be cut."""
    from messy_migration.testing.servers.binaries import installed_binaries

    return "local" if installed_binaries() else "pip"
