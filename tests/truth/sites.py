"""A loaded database of each kind, put back before each act, and the forms that judge it."""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from messy_migration import api
from messy_migration.api import Budget, CompareOptions, Request
from messy_migration.errors import MigrationError
from messy_migration.testing.project import Project, fresh_logging

from . import data
from .entries import BETWEEN, CLOSING, POSTGRESQL, QUICK, REFUSED, RUN, SQLITE

ALL = "ALL TABLES IN SCHEMA public, messy_migration"


@dataclass(frozen=True)
class Seen:
    """What a form said: its word and exit code, everything beside it, and the rows it named."""

    word: str
    code: int
    told: str = ""
    rows: tuple[str, ...] = ()


class Site(Project):
    """A database with orders and notes, as an entry finds it.

    Attributes:
        copy: URL of the same database as it was before the act.
        guest: URL for the role that owns nothing.
        held: closes connections that an act leaves open.
    """

    def __init__(self, folder, target, copy):
        super().__init__(folder, target, plugins=("files",))
        self.copy, self.guest, self.held = copy, "", ExitStack()

    @property
    def path(self):
        """The file of a SQLite or DuckDB database."""
        return Path(make_url(self.target).database)

    def set_up(self, login=""):
        """Write migrate.toml; commands log in by another URL where one is given."""
        owner, self.target = self.target, login or self.target
        self.configure(
            "quarantine_limit = 90.0\noutage_seconds = 3\nlock_seconds = 3\n",
            '[files.streams.orders]\npath = "orders*.csv"\nschema = "orders.toml"\n'
            '[files.streams.notes]\npath = "notes*.csv"\nschema = "notes.toml"\n',
        )
        self.target = owner

    def fill(self):
        """Write the inputs; one order is no order and goes to quarantine."""
        self.set_up()
        self.write("orders.toml", data.SCHEMA)
        self.write("notes.toml", data.NOTE_SCHEMA)
        bad = ("x", *data.orders(1, 1)[0][1:])
        self.write("orders1.csv", data.csv(data.COLUMNS, [*data.orders(), bad]))
        self.write("notes1.csv", data.csv(("order_id", "body"), data.notes()))

    def bring_more(self):
        """Six orders that the next run finds, one of each kind of text."""
        more = data.orders(data.ROWS + 1, data.ROWS + 6)
        self.write("orders2.csv", data.csv(data.COLUMNS, more))

    def act(self, act):
        """Carry out the act of an entry on this target."""
        if callable(act):
            act(self)
            return
        self.execute(*map(self.spelled, (act,) if isinstance(act, str) else act))

    def spelled(self, statement):
        """With the names of this site."""
        prefix = "messy_migration." if self.kind == POSTGRESQL else "messy_migration_"
        return (
            statement.replace("$ledger.", prefix)
            .replace("$database", f'"{make_url(self.target).database}"')
            .replace("$guest", make_url(self.guest).username if self.guest else "")
        )

    @contextmanager
    def connect(self, url="", *, create=False):
        """See `Project.connect`; here MariaDB and DuckDB too."""
        if self.kind in (POSTGRESQL, SQLITE):
            with super().connect(url, create=create) as connection:
                yield connection
        elif self.kind == "duckdb":
            import duckdb

            with duckdb.connect(str(self.path)) as connection:
                yield connection
        else:
            with closing(maria(make_url(self.target))) as connection:
                yield _Cursor(connection)

    def hold(self, *statements):
        """Begin a transaction, and leave it open until the forms have been tried."""
        if self.kind == SQLITE:
            connection = sqlite3.connect(self.path, isolation_level=None)
        else:
            plain = make_url(self.target).set(drivername=POSTGRESQL)
            connection = psycopg.connect(plain.render_as_string(False), autocommit=True)
        self.held.callback(connection.close)
        for statement in ("BEGIN", *statements):
            connection.execute(self.spelled(statement))

    def put_back(self):
        """Put the database back as it was before everything, and nothing of the folder."""
        if self.kind == SQLITE:
            for name in ("", "-wal", "-shm"):
                Path(f"{self.path}{name}").unlink(missing_ok=True)
            shutil.copy(make_url(self.copy).database, self.path)
            return
        name, copy = (make_url(url).database for url in (self.target, self.copy))
        with Project.connect(self, self.copy_server) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{copy}"')

    @property
    def copy_server(self):
        """URL of a database of the same server that is neither."""
        return _url(self.target, database="postgres")

    @property
    def request(self):
        return Request(config=self.folder / "migrate.toml", directory=self.folder)

    def judged(self, form, act=None, login=""):
        """What a form says; `act` is done first, or in the run where it is `closing`."""
        with fresh_logging():
            try:
                return self._judged(form, act, login)
            except MigrationError as error:
                return Seen(REFUSED, error.exit_code, str(error))

    def _judged(self, form, act, login):
        if form == BETWEEN:
            wishes = CompareOptions(tables=("orders", "notes"))
            found = api.compare(
                Request(directory=self.folder), self.copy, login or self.target, wishes, Budget()
            )
            told = " ".join(item.reason for item in found.tables)
            findings = [item.findings for item in found.tables if item.findings]
            return Seen(found.verdict, found.exit_code, told, named(findings))
        if form in (RUN, CLOSING):
            if form == RUN:
                self.bring_more()
            watcher = _Act(self, act) if form == CLOSING else api.Silent()
            done = api.run(self.request, watcher)
            told = " ".join([*_reasons(done.proof), *map(str, done.problems)])
            return Seen(done.verdict, done.exit_code, told, named(done.proof.findings))
        asked = (
            api.ReconcileOptions(quick=True)
            if form == QUICK
            else api.ReconcileOptions(against=form)
        )
        found = api.reconcile(self.request, options=asked)
        if form == QUICK:
            words = {item.verdict for item in found.untouched}
            word = next((one for one in ("TOUCHED", "UNKNOWN") if one in words), "UNTOUCHED")
            told = " ".join(item.reason for item in found.untouched)
            return Seen(word, found.exit_code, told)
        audit = found.audit.reasons if found.audit else ()
        told = " ".join([*audit, *_reasons(found.proof), *map(str, found.problems)])
        return Seen(found.verdict, found.exit_code, told, named(found.proof.findings))


@dataclass
class _Act(api.Silent):
    """Watches a run, and acts between its last commit and its proof."""

    site: Site
    act: object

    def proving(self):
        self.site.act(self.act)


@dataclass
class _Cursor:
    """A connection of PyMySQL that takes statements as the others do."""

    connection: object = field(repr=False)
    rowcount: int = 0

    def execute(self, statement):
        cursor = self.connection.cursor()
        cursor.execute(statement)
        return cursor


def maria(url):
    """A connection of PyMySQL in which every statement commits at once."""
    import pymysql

    return pymysql.connect(
        host=url.host, port=url.port, user=url.username, password=url.password,
        database=url.database, autocommit=True, charset="utf8mb4",
    )  # fmt: skip


def _reasons(proof):
    yield from (item.reason for item in proof.verdicts)
    yield from proof.notes


def named(findings):
    """The rows behind a mismatch, as entries write them."""
    rows = []
    for found in findings:
        for item in found.differences:
            key = ",".join(value for _, value in item.key) or "-"
            what = ",".join(item.columns) if item.kind == "changed" else item.kind
            rows.append(f"{item.table} {key} {what}")
    return tuple(sorted(rows))


def sqlite_sites(make_folder):
    """A function that gives the loaded file, as the run left it."""
    folder, kept = make_folder("sqlite") / "site", make_folder("kept") / "site"
    folder.mkdir()
    site = Site(folder, f"sqlite:///{folder / 'shop.db'}", f"sqlite:///{kept / 'shop.db'}")
    _load(site)
    shutil.copytree(folder, kept)

    @contextmanager
    def give():
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        with site.held:
            yield site
        site.held = ExitStack()

    return give


@contextmanager
def postgresql_sites(make_folder, server):
    """The same in a database that is copied from a template."""
    with ExitStack() as stack:
        template = stack.enter_context(server.database())
        folder, kept = make_folder("postgresql") / "site", make_folder("kept") / "site"
        folder.mkdir()
        site = Site(folder, template, template)
        _load(site)
        role = make_url(stack.enter_context(server.role(template)))
        schemas = "SCHEMA public, messy_migration"
        site.execute(
            f"GRANT ALL ON {schemas} TO {role.username}",
            f"GRANT ALL ON ALL TABLES IN {schemas} TO {role.username}",
            f"GRANT ALL ON ALL SEQUENCES IN {schemas} TO {role.username}",
        )
        shutil.copytree(folder, kept)
        named = f'"{make_url(template).database}"'

        @contextmanager
        def give():
            shutil.rmtree(folder)
            shutil.copytree(kept, folder)
            name = f"mm_truth_{secrets.token_hex(6)}"
            _on_server(server, f'CREATE DATABASE "{name}" TEMPLATE {named}')
            site.target = _url(template, database=name)
            site.guest = _url(role, database=name)
            site.set_up()
            try:
                with site.held:
                    yield site
            finally:
                site.held = ExitStack()
                _on_server(server, f'DROP DATABASE "{name}" WITH (FORCE)')

        yield give


def mariadb_sites(make_folder, server):
    """A function that gives two equal databases."""
    folder = make_folder("mariadb")

    @contextmanager
    def give():
        with server.database() as copy, server.database() as url:
            for place in (copy, url):
                Site(folder, place, "").execute(*data.mariadb())
            site = Site(folder, url, copy)
            with site.held:
                yield site

    return give


def duckdb_sites(make_folder):
    """Two equal files."""
    kept, folder = make_folder("kept") / "shop.duckdb", make_folder("duckdb")
    Site(kept.parent, f"duckdb:///{kept}", "").execute(*data.duckdb())

    @contextmanager
    def give():
        shutil.rmtree(folder)
        folder.mkdir()
        shutil.copy(kept, folder / "shop.duckdb")
        yield Site(folder, f"duckdb:///{folder / 'shop.duckdb'}", f"duckdb:///{kept}")

    return give


def _load(site):
    site.fill()
    with fresh_logging():
        done = api.run(site.request)
    assert (done.verdict, done.exit_code) == ("MATCH", 0), done


def _url(url, **parts):
    return make_url(url).set(**parts).render_as_string(hide_password=False)


def _on_server(server, *statements):
    plain = make_url(server.url).set(drivername=POSTGRESQL)
    with psycopg.connect(plain.render_as_string(False), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
