"""Deliberately broken variants of the package, which the suite has to catch.

FAULTS_VARIANT names the one that a run is to be. Each patches a name where it is looked up at
every call, so that it can be put in before the package is imported and after.
"""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import replace

import hooking
from proof import PROOF


def patches():
    """Module name -> the patches of the variant that is asked for, and of how workers are."""
    names = ("FAULTS_VARIANT", "FAULTS_UNTIED", "FAULTS_WORKERS")
    wanted = [os.environ.get(name) for name in names]
    found = {}
    for name in filter(None, wanted):
        for place, make in VARIANTS[name].items():
            module, path = place.split(":")
            patch = functools.partial(_put_in, path=path, make=make)
            found.setdefault(f"messy_migration.{module}", []).append(patch)
    return found


def apply():
    """Put them into modules that are there already."""
    for name, found in patches().items():
        for patch in found:
            patch(sys.modules[name])


def _put_in(module, path, make):
    hooking.replace(module, path, functools.partial(make, module))


def _commit_now(connection):
    """End the transaction behind SQLAlchemy's back, and begin another."""
    raw = connection.connection.driver_connection
    if hasattr(raw, "isolation_level") and connection.dialect.name == "sqlite":
        raw.execute("COMMIT")
        raw.execute("BEGIN IMMEDIATE")
    else:
        raw.commit()


def _second_transaction(_, record):
    """The rows are committed before the ledger hears of them."""

    def call(writer, connection, *arguments, **named):
        _commit_now(connection)
        return record(writer, connection, *arguments, **named)

    return call


def _ledger_first(module, transaction):
    """The ledger is committed before the rows are."""
    write = module.write

    def rehearsed(writer, connection, *arguments, **named):
        with connection.begin_nested() as trial:
            written = write(writer, connection, *arguments, **named)
            trial.rollback()
        return written

    def call(writer, partition, plan_id, prepared, **named):
        module.write = rehearsed
        try:
            receipt = transaction(writer, partition, plan_id, prepared, **named)
        finally:
            module.write = write
        if receipt is not None:
            with writer.target.engine.begin() as connection:
                write(writer, connection, partition, prepared, **named)
        return receipt

    return call


def _conflict_ignored(_, insert):
    """Rows whose key is taken are dropped, and counted as inserted."""

    def call(self, connection, table, data):
        import pyarrow as pa

        from messy_migration.databases.dialect import POSITION
        from messy_migration.databases.naming import column_list, quote

        if not table.key:
            return insert(self, connection, table, data)
        places = pa.array(range(data.num_rows), pa.int32())
        stage = self.stage(connection, table, data.append_column(POSITION, places))
        names = column_list(table.names)
        connection.exec_driver_sql(
            f"INSERT INTO {quote(table.name)} ({names}) SELECT {names} FROM {stage}"
            " WHERE true ON CONFLICT DO NOTHING"
        )
        return None

    return call


def _error_ends_paging(_, items):
    """A page that cannot be had is taken for the end."""

    def call(*arguments):
        from messy_migration.errors import SourceError

        try:
            yield from items(*arguments)
        except SourceError:
            return

    return call


def _nothing_committed(_, committed):
    """After an unknown COMMIT nobody asks the ledger."""
    return lambda *_: set()


def _no_fence(_, check):
    """Whoever comes late may commit."""
    return lambda *_: None


def _error_is_match(_, compare):
    """A table that cannot be read is as it should be."""

    def call(proof, state, expected):
        actual, word, reason = compare(proof, state, expected)
        return (expected, "MATCH", "") if word == "UNKNOWN" else (actual, word, reason)

    return call


def _silent_filter(_, prepare):
    """The first record of a batch is left out, and nobody is told."""

    def call(*arguments):
        from messy_migration.pipeline.records import present, without

        found = prepare(*arguments)
        gone = set(sorted(present(found.tables.values()))[:1])
        tables = {name: without(data, gone) for name, data in found.tables.items()}
        return replace(found, tables=tables, extracted=found.extracted - len(gone))

    return call


def _nothing(_, function):
    """A worker that nothing binds to its parent."""
    return lambda *_: False


VARIANTS = PROOF | {
    "second-transaction": {"pipeline.commit:_record": _second_transaction},
    "ledger-first": {"pipeline.commit:_transaction": _ledger_first},
    "conflict-ignored": {
        "databases.sqlite.dialect:SQLite.insert": _conflict_ignored,
        "databases.postgresql.dialect:PostgreSQL.insert": _conflict_ignored,
    },
    "error-ends-paging": {
        "pipeline.extract:extracted_items": _error_ends_paging,
        "workers.worker:extracted_items": _error_ends_paging,
    },
    "no-lookup": {"ledger.receipts:committed": _nothing_committed},
    "no-fence": {"ledger.fence:check": _no_fence},
    "error-is-match": {"reconcile.prove:_compare": _error_is_match},
    "silent-filter": {"workers.worker:prepare_batch": _silent_filter},
    # No variant, but what a system without PR_SET_PDEATHSIG does.
    "untied": {"workers.loop:tie_to_parent": _nothing, "workers.loop:is_orphan": _nothing},
    "spawned": {"workers.nursery:has_one_thread": _nothing},
}
