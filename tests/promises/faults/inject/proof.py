"""Broken variants of the proof: each would give a verdict that nobody may rely on.

As in `variants`, a name of the package -> what is put in its place, made of the module and of what
stands there. Nothing here imports the package before it is called.
"""

from __future__ import annotations

from dataclasses import replace


def _read_back(_, compare):
    """What is expected is what the target holds."""

    def call(proof, state, expected):
        actual, word, reason = compare(proof, state, expected)
        return (actual, word, reason) if actual is None else (actual, "MATCH", "")

    return call


def _counts_only(_, compare):
    """As many rows as expected are enough."""

    def call(proof, state, expected):
        actual, word, reason = compare(proof, state, expected)
        is_as_many = actual is not None and actual.rows == expected.rows
        return (actual, "MATCH", "") if is_as_many else (actual, word, reason)

    return call


def _all_scopes(_, scoped):
    """The rows of all scopes are taken for those of one."""
    return lambda connection, database, table: scoped(
        connection, database, replace(table, scope=())
    )


def _quarantine_counted(_, standing):
    """Records in quarantine count as loaded."""

    def call(*arguments):
        found = standing(*arguments)
        return {
            place: (extracted, loaded + quarantined, 0, filtered)
            for place, (extracted, loaded, quarantined, filtered) in found.items()
        }

    return call


def _closed_runs_only(_, expected):
    """What a run loaded that is not closed is not expected."""

    def call(connection, ledger):
        from sqlalchemy import select

        found = expected(connection, ledger)
        states = connection.execute(select(ledger.run.c.state)).scalars().all()
        return found if set(states) <= {"done"} else {}

    return call


def _unaudited(_, audit):
    """Nobody looks whether the ledger was edited."""
    return lambda *arguments, **named: replace(audit(*arguments, **named), reasons=())


def _lenient(_, concluded):
    """--strict accepts everything."""

    def call(target, proof, asked, *rest):
        return concluded(target, proof, replace(asked, strict=False), *rest)

    return call


def _authorless(_, are_known):
    """Nobody asks who wrote a row."""
    del are_known
    return lambda *_: False


def _parents_unread(_, parents):
    """Parents that cannot be read are there."""

    def call(proof, state):
        return [(key, count or 0) for key, count in parents(proof, state)]

    return call


def _money_unread(_, told):
    """Money that cannot be read is right."""

    def call(workspace, connection, state, verdict, *rest):
        after, *more = told(workspace, connection, state, verdict, *rest)
        if (verdict.verdict, after.verdict) == ("MATCH", "UNKNOWN"):
            after = replace(after, verdict="MATCH", reason="")
        return after, *more

    return call


def _all_read(_, verdict):
    """The run takes a stream for whole although a partition is missing."""

    def call(proof, *arguments, **named):
        return verdict(replace(proof, incomplete={}), *arguments, **named)

    return call


def _unsaid(*_):
    """That the input is another one than was loaded is kept back."""
    return ""


def _nothing_matches(_, overall):
    """Where nothing was compared everything is as it should be."""
    return lambda verdicts: overall(verdicts) if verdicts else "MATCH"


def _any_key(*_):
    """The database is believed to keep the key."""
    return lambda *_: True


PROOF = {
    "sums-read-back": {"reconcile.prove:_compare": _read_back},
    "counts-only": {"reconcile.prove:_compare": _counts_only},
    "scope-ignored": {"reconcile.prove:scoped": _all_scopes},
    "quarantine-counted": {"ledger.totals:standing": _quarantine_counted},
    "open-run-left-out": {"ledger.receipts:expected": _closed_runs_only},
    "audit-skipped": {"run.anchors:audit": _unaudited},
    "strict-ignored": {"api.reconciliations:concluded": _lenient},
    "authors-ignored": {"databases.postgresql.xmin:are_known": _authorless},
    "parents-unread": {"reconcile.prove:_parents": _parents_unread},
    "money-unread": {"reconcile.reconcile:_told": _money_unread},
    "part-taken-for-whole": {"reconcile.prove:_verdict": _all_read},
    "input-not-compared": {"compare.locate:_CHANGED": _unsaid},
    "nothing-is-match": {"api.reconciliations:overall": _nothing_matches},
    "key-not-checked": {"reconcile.checks:has_unique_key": _any_key},
}
