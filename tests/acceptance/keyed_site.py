"""A folder whose target is under a `fingerprint_key`, and a forger who does not know it."""

from __future__ import annotations

import csv
import signal
import sqlite3
import sys
import time
from dataclasses import replace
from pathlib import Path

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from messy_migration.ledger import chain
from messy_migration.ledger.chain import head_of
from messy_migration.ledger.tables import ledger
from messy_migration.testing.project import Project

from .small import Small

CANARY = "canary-5f1e0b7a9c3d"
OTHER = "another-71c2d4e8f0a6"
BOTH = 'fingerprint_key_before = "env://FP_BEFORE"\n'
FORGED = Path(__file__).parents[1] / "data" / "forged_sums.csv"
NAMED = """
table = "s"
key = ["id"]
[format]
kind = "csv"
encoding = "utf-8"
delimiter = ","
null = [""]
[columns]
id = { type = "int64", required = true }
name = { type = "text" }
amt = { type = "decimal(18,4)" }
"""
_DYING = """
import os, signal, sys
from messy_migration.run import rotation

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

rotation.{moment} = die
from messy_migration.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


class KeyedSite(Small):
    """Commands run under the key that `key` holds; without a key where it is empty."""

    key = CANARY
    before = ""

    def configure(self, *args, profile="", **kwargs):
        mine = 'fingerprint_key = "env://FP_KEY"\n' if self.key else ""
        mine += BOTH if self.before else ""
        super().configure(*args, profile=f"quarantine_limit = 90.0\n{mine}{profile}", **kwargs)

    def configure_alone(self):
        """Without the stream of files."""
        Project.configure(self, 'fingerprint_key = "env://FP_KEY"')

    def under(self, key, before="", **how):
        """The same folder under another key, or without one."""
        self.key, self.before = key, before
        self.configure(**how)
        return self

    def variables(self):
        return {"FP_KEY": self.key, "FP_BEFORE": self.before}

    def migrate(self, *argv, **variables):
        return super().migrate(*argv, **self.variables(), **variables)

    def migrate_apart(self, *argv, preexec_fn=None, **variables):
        variables = self.variables() | variables
        return super().migrate_apart(*argv, preexec_fn=preexec_fn, **variables)

    def write_named(self):
        """The rows whose sums `forged_sums.csv` forges."""
        rows = [f"{row},name {row},{row * 1.25:.4f}" for row in range(1, 1_025)]
        self.write_rows(*rows, header="id,name,amt")

    def forge(self):
        """Other amounts in all rows, with the sums of hashes that were there before."""
        values = csv.reader(FORGED.read_text().splitlines())
        amount = "CAST('{}' AS numeric)" if self.kind == "postgresql" else "'{}'"
        self.execute(
            *(f"UPDATE s SET amt = {amount.format(amt)} WHERE id = {row}" for row, _, amt in values)
        )

    def run(self, *more):
        return self.migrate("run", "--json", *more)

    def reconcile(self, *more):
        return self.migrate("reconcile", "--json", *more)

    def keyed(self):
        """(kind, key id, has a MAC) of the receipts, in their order."""
        query = f"SELECT kind, key_id, mac IS NOT NULL FROM {self.ledger('receipt')} ORDER BY seq"
        return [(kind, key, bool(mac)) for kind, key, mac in self.query(query)]

    def dies_at(self, moment, *argv):
        """A command whose process kills itself where it would do something."""
        command = self.command
        self.command = (sys.executable, "-c", _DYING.format(moment=moment))
        try:
            result = self.migrate_apart(*argv)
        finally:
            self.command = command
        assert result.code == -signal.SIGKILL, result.err

    def sign_otherwise(self):
        """From here on the database itself takes the MAC off each receipt: as a forger writes."""
        self.execute(
            f"CREATE TRIGGER forger AFTER UPDATE OF mac ON {self.ledger('receipt')}"
            f" WHEN new.mac IS NOT NULL BEGIN UPDATE {self.ledger('receipt')}"
            " SET mac = NULL WHERE seq = new.seq; END"
        )

    def killed_after(self, receipts):
        """A run whose processes are killed once so many batches are committed."""
        run = self.start("run", **self.variables())
        end = time.monotonic() + 60
        while time.monotonic() < end and self._committed() < receipts:
            assert run.process.poll() is None, (self.folder / "err").read_text()
            time.sleep(0.02)
        run.signal(signal.SIGKILL, group=True)
        run.wait()

    def _committed(self):
        try:
            return self.query(f"SELECT count(*) FROM {self.ledger('receipt')}")[0][0]
        except (sqlite3.OperationalError, psycopg.Error):
            return 0

    def chain_again(self):
        """Write all heads anew, so that the chain fits what stands in the ledger now."""
        names = ledger(self.kind)
        engine = create_engine(self.target, poolclass=NullPool)
        with engine.begin() as connection:
            before = None
            for link in chain.links(connection, names):
                new = link
                if link.kind != "lanes":
                    held = chain.covered(connection, names, before, link)
                    digests = ("receipts", "receipts_digest", "quarantine_digest")
                    digests += ("changes", "changes_digest")
                    new = replace(link, **{name: getattr(held, name) for name in digests})
                previous = link.previous if before is None else before.head
                new = replace(new, previous=previous)
                new = replace(new, head=head_of(new))
                table = names.chain
                connection.execute(
                    table.update()
                    .where(table.c.ordinal == link.ordinal)
                    .values(
                        **{
                            name: getattr(new, name)
                            for name in (
                                *("receipts", "receipts_digest", "quarantine_digest", "head"),
                                *("changes", "changes_digest", "previous"),
                            )
                        }
                    )
                )
                before = new
        engine.dispose()
        # The forger's ledger is looked at on a machine that has seen no head of it.
        (self.folder / ".migrate" / "anchors").unlink(missing_ok=True)

    def everything(self):
        """All bytes of the folder, the target's file among them."""
        return b"".join(one.read_bytes() for one in self.folder.rglob("*") if one.is_file())
