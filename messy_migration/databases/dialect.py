"""What a kind of database must be able to do: to be read and proven, and to be a target.

`Reader` is the first half. It stands by itself, so that a database into which nothing is loaded
can still be held against another one. `Dialect` is both halves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

import pyarrow as pa
from sqlalchemy import Connection, Engine

from messy_migration.databases.errors import Unplanned, driver_errors_as_ours
from messy_migration.databases.naming import Spelling, quote
from messy_migration.databases.sketch import Scans
from messy_migration.model import Fingerprint, ForeignKey, Table
from messy_migration.model.identity import Identity

T = TypeVar("T")

POSITION = "_position"
"""Name of the column (int32) that numbers the rows of a staged batch."""


class LateKeys(Protocol):
    """Gives a table its key after the load. Stateless; all calls are in one transaction."""

    def lock(self, connection: Connection, table: Table) -> None:
        """Keep every other transaction from the table until this one ends."""

    def add(self, connection: Connection, table: Table) -> None:
        """Make the table's key its primary key.

        Raises:
            KeyTaken: two rows have one key.
        """

    def add_foreign(self, connection: Connection, table: Table, key: ForeignKey) -> bool:
        """Let the database keep a foreign key of the table; False where it does already.

        Raises:
            TargetError: rows miss their parent, or the parent has no such key.
        """

    def find(self, connection: Connection, table: Table, bookmark: str | None) -> int:
        """Set apart the rows that lose against another one with their key; return how many.

        The newest by the bookmark wins, and of those that are equally new the one with the
        greatest hash: the rules of `messy_migration.databases.merge`.
        """

    def fingerprint(self, connection: Connection, table: Table) -> Fingerprint:
        """Of the rows that were set apart."""

    def source(self, connection: Connection, table: Table) -> str:
        """The same rows as they stand behind FROM, under the alias `t`."""

    def contradictions(
        self, connection: Connection, table: Table
    ) -> Iterator[list[tuple[str, bytes]]]:
        """Those that are as new as the winner and unlike it: (lanes, as JSON), in chunks.

        Of several that are equal only the first is given.
        """

    def remove(self, connection: Connection, table: Table) -> int:
        """Delete the rows that were set apart; return how many."""


class Reader(Protocol):
    """One kind of database to read and prove. Stateless; every call gets its connection."""

    name: str
    spelling: Spelling

    @property
    def scans(self) -> Scans:
        """How it is sketched: by the database where it can, else by fetching all rows."""

    def check(self, connection: Connection) -> str:
        """The server's version in words.

        Raises:
            TargetError: the server is too old, or of an encoding that cannot be proven.
        """

    def columns(self, connection: Connection, table: str) -> dict[str, str] | None:
        """Column name -> type as the database spells it; None where there is no such table."""

    def unique_keys(self, connection: Connection, table: str) -> list[set[str]]:
        """The columns of each unique key that holds for all rows of a table."""

    def schema(self, connection: Connection) -> str | None:
        """The schema whose tables are meant where none is named; None where that is one."""

    def place(self, connection: Connection, table: str) -> str:
        """A table with its schema, quoted, as the role finds it by its name.

        Where there is none of that name, the place where it would be created.
        """

    def rows_of(self, connection: Connection, table: str) -> str:
        """The rows of that very table, and of its partitions, as they stand behind FROM.

        Raises:
            TargetError: where this is for a proof, and rows may be hidden without a word.
        """

    def own_path(self, connection: Connection) -> AbstractContextManager[None]:
        """Plan statements by the names that the role itself would find.

        An index or a view of the table may hold names without a schema. To be called inside a
        savepoint of a transaction of `reading`.
        """

    def streamed(self, table: Table) -> tuple[str, ...]:
        """Columns whose C1 field this kind of database cannot compute.

        Where there are any, `fingerprint` fetches the rows and hashes them here.
        """

    def fingerprint(self, connection: Connection, table: Table, source: str) -> Fingerprint:
        """The fingerprint of the rows of `source` (a FROM clause, table alias `t`)."""

    def row_fields(
        self, connection: Connection, table: Table, source: str
    ) -> Iterator[list[tuple[bytes, ...]]]:
        """The C1 fields of each row of `source`, in chunks, without holding the table."""

    def reading(self, engine: Engine) -> AbstractContextManager[Connection]:
        """A connection inside one read-only snapshot."""


class Dialect(Reader, Protocol):
    """One kind of database as a target: it can be read and proven, and written."""

    batch_records: int
    """The most records that one transaction should hold."""
    late_keys: LateKeys | None
    """How a key comes after the load; None where a table is created with it or never has it."""
    retyped: str
    """What ALTER TABLE says to give a `{column}` another `{type}`; empty where it cannot."""

    def check_writable(self, connection: Connection) -> None:
        """Refuse a server that can only be read.

        Raises:
            TargetError: it is a standby, or read-only.
        """

    def ready(self, engine: Engine) -> None:
        """Set the database up for a run, once it is known to be usable."""

    def role(self, connection: Connection) -> str | None:
        """As whom the session reads and writes; None where a database knows no roles."""

    def identity(self, connection: Connection, table: Table, schema: str = "") -> Identity:
        """Which table a statement of ours means by that name; nothing known if there is none.

        With a schema: the one of that name there.
        """

    def demanded(self, connection: Connection, table: str) -> set[str]:
        """Columns that every new row has to give: NOT NULL and without a default."""

    def folded(self, connection: Connection, table: Table) -> list[str]:
        """Text columns of the key and the scope whose collation calls different texts equal."""

    def type_name(self, table: Table, column: str) -> str:
        """How this database spells the type of a column of ours."""

    def unstorable(self, table: Table, data: pa.Table) -> dict[str, list[int]]:
        """Column -> places of rows whose value this kind of database cannot hold."""

    def declared(self, table: Table, column: str) -> str:
        """The same, as it stands in a statement that creates a table."""

    def policies(self, connection: Connection, table: str) -> str:
        """What may hide rows of a table from this role, in words; empty if nothing does."""

    def copied(self, connection: Connection, table: str) -> tuple[list[str], set[str]]:
        """Columns that a copy of a row brings, all but computed ones, and those of foreign keys."""

    def same_key(self, connection: Connection, table: Table) -> str:
        """SQL: have the rows `t` and `s` one key, by the rules of the key's own index?"""

    def insert(self, connection: Connection, table: Table, data: pa.Table) -> None:
        """Add all rows.

        Raises:
            KeyTaken: a key is there already.
            RowsRefused: a value cannot be stored.
        """

    def stage(self, connection: Connection, table: Table, data: pa.Table) -> str:
        """Put the rows, numbered by `POSITION`, into a temporary table; its quoted name."""

    def differs(self, table: Table, column: str) -> str:
        """SQL: is the column of `t` unlike the column of `s`, NULL being a value of its own."""

    def row_bytes(self, table: Table, alias: str) -> str:
        """SQL: the C1 text of a row, as bytes."""

    def lock(self, engine: Engine) -> AbstractContextManager[Callable[[], bool] | None]:
        """Hold the run lock as long as the context lasts; None if another process has it.

        What it gives tells whether the lock is still held: a connection may die. It never waits.
        Called again after that it takes the lock back from the dead connection of the same run.
        """

    def holder(self, engine: Engine) -> str:
        """The holder of the run lock (run, host, process, since when); empty if unknown."""

    def session(self, connection: Connection) -> str:
        """The server's name for this connection; empty where no server outlives the process."""

    def is_over(self, connection: Connection, session_id: str, *, forcibly: bool) -> bool:
        """Has a session of this run ended, so that its last transaction has one outcome?

        Args:
            connection: another one.
            session_id: what `session` gave.
            forcibly: tell the server to end it.
        """

    def blockers(self, engine: Engine, tables: Sequence[str]) -> str:
        """Others whose locks on these tables stop a batch, in words; empty if there are none."""

    def end_others(self, connection: Connection, application: str) -> None:
        """End the connections that dead runs left behind, all but those of `application`."""

    def take_turns(self, connection: Connection) -> None:
        """Until the transaction ends, let no other one of ours go past this call."""

    def otherwise(self, connection: Connection) -> AbstractContextManager[None]:
        """Plan queries in another way, so that what depends on a plan becomes visible."""

    def deferred(self, connection: Connection) -> int:
        """How many rows would fail at COMMIT for a deferred constraint.

        Raises:
            RowsRefused: in place of a number, where the server tells by refusing.
        """


@contextmanager
def planned_otherwise(
    connection: Connection, reader: Reader, error: Unplanned, table: str, notes: dict[str, str]
) -> Iterator[None]:
    """Plan once more, by the names that the role itself would find; what is asked stays the same.

    Args:
        connection: inside a savepoint of a transaction of `reading`.
        reader: of the database.
        error: what a name that is not found was told as.
        table: that is read.
        notes: table -> what a verdict has to say of it; filled here.

    Raises:
        Unplanned: such names are found nowhere, or nobody has a path of their own.
    """
    if not reader.spelling.operators:
        raise error
    with reader.own_path(connection):
        yield
    notes[table] = f"{table} was read under the role's own search_path: {error.why}"


def planned(connection: Connection, reader: Reader, table: str, act: Callable[[], T]) -> T:
    """What `act` finds in a savepoint; planned otherwise where it has to be.

    The verdict has said so already, from the first time that the table was read.
    """
    try:
        with driver_errors_as_ours(f"table {table}"), connection.begin_nested():
            return act()
    except Unplanned as error:
        with (
            driver_errors_as_ours(f"table {table}"),
            connection.begin_nested(),
            planned_otherwise(connection, reader, error, table, {}),
        ):
            return act()


def column_types(dialect: Dialect, table: Table) -> str:
    """Names and types of all columns, as a statement that creates a table has them."""
    return ", ".join(
        f"{quote(column.name)} {dialect.declared(table, column.name)}" for column in table.columns
    )
