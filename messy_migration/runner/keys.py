"""Keys that come after the load, and the rows that turn out to have the same one.

A table that a run creates for one stream alone is loaded without its key, which is faster, and
gets it when the stream is complete. Until then the ledger calls it `key_pending`: a run that is
resumed goes on without the key, a reconciliation proves what was loaded, and any other run that
is about to write there adds the key first.

Rows that lose against another one with their key leave by the rules of the merge, through a
receipt of the run that loaded them: equal and older ones count as filtered, others go to
quarantine. All that is one transaction, and what it has done it finds done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from messy_migration.errors import TargetError
from messy_migration.ledger import fence, quarantine, receipts, states
from messy_migration.ledger.states import TableState
from messy_migration.model import Stream, Table, TableReceipt
from messy_migration.pipeline.commit import displaced_entry
from messy_migration.pipeline.rules import DUPLICATE
from messy_migration.runner.prepare import Site
from messy_migration.runner.state import RunState
from messy_migration.target.dialect import LateKeys
from messy_migration.target.failures import KeyTaken, refusals


def comes_later(site: Site, streams: Sequence[Stream], stream: Stream, table: Table) -> bool:
    """May the key of a table that is about to be created come after the load?

    Only if one stream alone writes the table and no other: where a record has rows in several
    tables, the duplicate of one row says nothing of the record.
    """
    writers = [item for item in streams for other in item.tables if other.name == table.name]
    is_alone = len(writers) == 1 and len(stream.tables) == 1 and not table.scope
    return bool(site.dialect.late_keys and table.key and is_alone)
