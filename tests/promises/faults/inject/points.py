"""The moments of a run that have a name, and where in the package they are."""

from __future__ import annotations

from dataclasses import dataclass

BOTH = ("sqlite", "postgres")
POSTGRES = ("postgres",)


@dataclass(frozen=True)
class Point:
    """One moment.

    Attributes:
        places: the functions at which it is, as "module:function" or "module:Class.method".
        when: before them, after them, or at each item that they yield.
        process: whose hits count, the parent's or a worker's.
        often: it is met more than once in a run of the tests' source.
        kinds: of the targets on which it is met.
    """

    places: tuple[str, ...]
    when: str
    process: str
    often: bool = False
    kinds: tuple[str, ...] = BOTH


def _parent(when, *places, often=False, kinds=BOTH):
    return Point(places, when, "parent", often, kinds)


def _worker(when, *places, often=True, kinds=BOTH):
    return Point(places, when, "worker", often, kinds)


def whole(place):
    """(module, path) of a place."""
    module, path = place.split(":")
    return module if module.startswith("sqlalchemy") else f"messy_migration.{module}", path


_TARGET = ("databases.postgresql.dialect:PostgreSQL", "databases.sqlite.dialect:SQLite")
_COMMIT = "sqlalchemy.engine.default:DefaultDialect.do_commit"


def _dialects(method):
    return tuple(f"{place}.{method}" for place in _TARGET)


POINTS = {
    # Taking the target over.
    "lock.before": _parent("before", *_dialects("lock")),
    "lock.after": _parent("before", "run.open:open_run"),
    "ledger.upgraded": _parent("after", "ledger.schema:upgrade"),
    "epoch.before": _parent("before", "ledger.fence:raise_epoch"),
    "epoch.after": _parent("after", "ledger.fence:raise_epoch"),
    "run.added": _parent("after", "ledger.runs:add"),
    "heartbeat.after": _parent("after", "ledger.fence:beat"),
    "run.opened": _parent("after", "run.open:open_run"),
    # Planning.
    "plan.before": _parent("before", "run.plan:build"),
    "table.created": _parent("after", "databases.ddl:create_table", often=True),
    "tables.prepared": _parent("after", "run.prepare:prepare_tables"),
    "plan.written": _parent("after", "ledger.runs:plan", often=True),
    "plan.committed": _parent("before", "run.run:_work"),
    # A worker takes a task, and lands it.
    "worker.started": _worker("after", "workers.worker:Worker.__init__", often=False),
    "extract.mid": _worker("each", "pipeline.extract:extracted_items"),
    "land.page": _worker("each", "pipeline.landing:_parts"),
    "land.written": _worker("before", "config.whole:_appear"),
    "land.renamed": _worker("before", "config.whole:_sync"),
    "land.digested": _worker("after", "pipeline.landing:write"),
    "land.row": _worker("after", "ledger.landings:add"),
    "land.committed": _worker("after", "workers.worker:Worker._land"),
    # The life of a batch.
    "transform.before": _worker("before", "pipeline.prepare:prepare_batch"),
    "validate.after": _worker("before", "pipeline.prepare:_settle"),
    "batch.before": _worker("before", "pipeline.commit:_transaction"),
    "batch.begun": _worker("before", "ledger.receipts:committed"),
    "copy.before": _worker("before", *_dialects("insert")),
    "copy.after": _worker("after", *_dialects("insert")),
    "stage.after": _worker("after", *_dialects("stage")),
    "displaced.after": _worker("after", "databases.merge:_contest"),
    "merge.after": _worker("after", "databases.merge:merge"),
    "quarantine.after": _worker("after", "ledger.quarantine:write"),
    "receipt.after": _worker("after", "ledger.receipts:write"),
    "fence.before": _worker("before", "ledger.fence:check"),
    "fence.after": _worker("after", "ledger.fence:check"),
    "commit.before": _worker("before", _COMMIT),
    "commit.after": _worker("after", _COMMIT),
    # The end of a run.
    "decision.before": _parent("before", _COMMIT, often=True),
    "decision.after": _parent("after", _COMMIT, often=True),
    "keys.before": _parent("before", "run.keys:_complete", kinds=POSTGRES),
    "late.removed": _parent(
        "after", "databases.postgresql.keys:PostgreSQLKeys.remove", kinds=POSTGRES
    ),
    "key.added": _parent("after", "databases.postgresql.keys:PostgreSQLKeys.add", kinds=POSTGRES),
    "key.ready": _parent("after", "ledger.known_tables:make_ready", kinds=POSTGRES),
    "stub.after": _parent("after", "run.finish:_stub"),
    "bookmark.moved": _parent("after", "ledger.bookmarks:move", often=True),
    "settled": _parent("after", "run.finish:finish"),
    "reconcile.before": _parent("before", "reconcile.reconcile:reconcile"),
    "reconcile.mid": _parent("after", "reconcile.by_receipts:ByReceipts.scan", often=True),
    "reconcile.after": _parent("after", "reconcile.reconcile:reconcile"),
    "evidence.before": _parent("before", "evidence.files:write"),
    "evidence.after": _parent("after", "evidence.files:write"),
    "events.before": _parent("before", "ledger.events:write"),
    "events.after": _parent("after", "ledger.events:write"),
    "chain.after": _parent("after", "ledger.chain:append"),
    "close.before": _parent("before", "ledger.runs:finish"),
    "close.after": _parent("after", "ledger.runs:finish"),
    "anchor.before": _parent("before", "ledger.anchors:append"),
    "anchor.after": _parent("after", "ledger.anchors:append"),
    "unlock.before": _parent("after", "run.close:close_run"),
    "unlock.after": _parent("after", "run.run:execute"),
}
"""Name -> where it is."""
