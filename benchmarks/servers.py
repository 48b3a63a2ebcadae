"""The server that a benchmark runs on: its own, durable as servers are, and undisturbed."""

from __future__ import annotations

import os

import psycopg
from sqlalchemy import make_url

from messy_migration.testing.servers.binaries import installed_binaries, wheel_binaries
from messy_migration.testing.servers.postgres import PROVIDER_VARIABLE, Server

SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "autovacuum": "off",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
}
"""Of the server: durability as it is by default, and nothing that wakes up in between."""


def provider() -> str | None:
    """A server of our own where there are binaries: somebody else's takes no settings."""
    if os.environ.get(PROVIDER_VARIABLE):
        return None
    if installed_binaries():
        return "local"
    return "pip" if wheel_binaries() else None


def plain(url: str) -> str:
    """A URL as libpq and other tools understand it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def execute(url: str, *statements: str) -> None:
    """Run statements one by one, each in a transaction of its own."""
    with psycopg.connect(plain(url), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def checkpoint(running: Server) -> None:
    """Let nothing of what was before be written while something is measured."""
    execute(running.url, "CHECKPOINT")
