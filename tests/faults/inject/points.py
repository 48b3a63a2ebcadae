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


_TARGET = ("target.postgresql:PostgreSQL", "target.sqlite:SQLite")
_COMMIT = "sqlalchemy.engine.default:DefaultDialect.do_commit"


def _dialects(method):
    return tuple(f"{place}.{method}" for place in _TARGET)


POINTS = {
    # Taking the target over.
    "lock.before": _parent("before", *_dialects("lock")),
    "lock.after": _parent("before", "runner.opening:open_run"),
    "ledger.upgraded": _parent("after", "ledger.schema:upgrade"),
    "epoch.before": _parent("before", "ledger.fence:raise_epoch"),
    "epoch.after": _parent("after", "ledger.fence:raise_epoch"),
    "run.added": _parent("after", "ledger.runs:add"),
    "heartbeat.after": _parent("after", "ledger.fence:beat"),
    "run.opened": _parent("after", "runner.opening:open_run"),
    # Planning.
    "plan.before": _parent("before", "runner.plan:build"),
    "table.created": _parent("after", "target.tables:prepare", often=True),
    "tables.prepared": _parent("after", "runner.prepare:prepare_tables"),
    "plan.written": _parent("after", "ledger.runs:plan", often=True),
    "plan.committed": _parent("before", "runner.run:_work"),
    # A worker takes a task, and lands it.
    "worker.started": _worker("after", "runner.work:Worker.__init__", often=False),
    "extract.mid": _worker("each", "runner.work:extracted_items"),
    "land.page": _worker("each", "runner.landing:_parts"),
    "land.written": _worker("before", "runner.landing:_appear"),
    "land.renamed": _worker("before", "runner.landing:_sync"),
    "land.digested": _worker("after", "runner.landing:write"),
    "land.row": _worker("after", "ledger.landings:add"),
    "land.committed": _worker("after", "runner.work:Worker._land"),
    # The life of a batch.
    "transform.before": _worker("before", "pipeline.stages:prepare"),
    "validate.after": _worker("before", "pipeline.stages:_settle"),
    "batch.before": _worker("before", "pipeline.commit:_transaction"),
    "batch.begun": _worker("before", "ledger.receipts:committed"),
    "copy.before": _worker("before", *_dialects("insert")),
    "copy.after": _worker("after", *_dialects("insert")),
    "stage.after": _worker("after", *_dialects("stage")),
    "displaced.after": _worker("after", "target.merge:_contest"),
    "merge.after": _worker("after", "target.merge:merge"),
    "quarantine.after": _worker("after", "ledger.quarantine:write"),
    "receipt.after": _worker("after", "ledger.receipts:write"),
    "fence.before": _worker("before", "ledger.fence:check"),
    "fence.after": _worker("after", "ledger.fence:check"),
    "commit.before": _worker("before", _COMMIT),
    "commit.after": _worker("after", _COMMIT),
    # The end of a run.
    "decision.before": _parent("before", _COMMIT, often=True),
    "decision.after": _parent("after", _COMMIT, often=True),
    "keys.before": _parent("before", "runner.keys:_complete", kinds=POSTGRES),
    "late.removed": _parent(
        "after", "target.postgresql_keys:PostgreSQLKeys.remove", kinds=POSTGRES
    ),
    "key.added": _parent("after", "target.postgresql_keys:PostgreSQLKeys.add", kinds=POSTGRES),
    "key.ready": _parent("after", "ledger.states:make_ready", kinds=POSTGRES),
    "stub.after": _parent("after", "runner.finish:_stub"),
    "bookmark.moved": _parent("after", "ledger.landings:move", often=True),
    "settled": _parent("after", "runner.finish:finish"),
    "reconcile.before": _parent("before", "runner.proof:reconcile"),
    "reconcile.mid": _parent("after", "runner.byledger:ByLedger.scan", often=True),
    "reconcile.after": _parent("after", "runner.proof:reconcile"),
    "evidence.before": _parent("before", "reconcile.report.files:write"),
    "evidence.after": _parent("after", "reconcile.report.files:write"),
    "chain.after": _parent("after", "ledger.chain:append"),
    "close.before": _parent("before", "ledger.runs:finish"),
    "close.after": _parent("after", "ledger.runs:finish"),
    "anchor.before": _parent("before", "ledger.anchors:append"),
    "anchor.after": _parent("after", "ledger.anchors:append"),
    "unlock.before": _parent("after", "runner.closing:close_run"),
    "unlock.after": _parent("after", "runner.run:execute"),
}
"""Name -> where it is."""
