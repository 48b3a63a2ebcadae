"""Prove derived tables: what their receipts say, and what their bases give once more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from sqlalchemy import Connection

from messy_migration.compare.findings import Findings
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.naming import scoped
from messy_migration.errors import MigrationError, PluginError
from messy_migration.fingerprint.rows import fingerprint
from messy_migration.ledger import known_tables, receipts
from messy_migration.ledger.known_tables import TableState
from messy_migration.ledger.tables import legible
from messy_migration.model import Derived, Fingerprint
from messy_migration.model.derived import is_derived
from messy_migration.reconcile.made import KIND, States, Sums, basis, made
from messy_migration.reconcile.verdict import TableVerdict
from messy_migration.streams import derivations
from messy_migration.workspace import Workspace

Result = tuple[TableVerdict, Findings | None]


def derivation_of(workspace: Workspace, state: TableState) -> Derived:
    """The plugin's declaration of a derived table.

    Raises:
        PluginError: no selected plugin does.
    """
    for derived in derivations(workspace.registry):
        if (derived.label, derived.table.name) == (state.stream, state.table.name):
            return derived
    plugin = state.stream.partition(".")[0]
    raise PluginError(
        "no selected plugin makes this table",
        f"derived table {state.table.name}",
        next=f"name {plugin} in --plugins too",
    )


def made_again(
    workspace: Workspace, connection: Connection, state: TableState
) -> Iterator[pa.Table]:
    """The rows of a derived table, made in the snapshot of a reconciliation.

    Raises:
        MigrationError: they cannot be made.
    """
    derived = derivation_of(workspace, state)
    table_states = known_tables.all_states(connection, workspace.ledger)
    dialect = workspace.target.dialect
    with connection.begin_nested(), dialect.own_path(connection):
        yield from made(workspace, connection, derived, table_states, otherwise=True)


def with_derived(
    workspace: Workspace,
    connection: Connection,
    table_states: Sequence[TableState],
    results: Sequence[Result],
) -> list[Result]:
    """With every derived table that is as its receipt says made again, where its bases hold."""
    if connection.invalidated or not any(is_derived(state.stream) for state in table_states):
        return list(results)
    proof = _Proof(
        workspace,
        connection,
        known_tables.all_states(connection, workspace.ledger),
        receipts.expected(connection, workspace.ledger),
        {verdict.table: verdict for verdict, _ in results if not verdict.scope},
    )
    return [
        (proof.judged(state, verdict), behind) if is_derived(state.stream) else (verdict, behind)
        for state, (verdict, behind) in zip(table_states, results, strict=True)
    ]


@dataclass(frozen=True)
class _Proof:
    workspace: Workspace
    connection: Connection
    known: States
    sums: Sums
    verdicts: dict[str, TableVerdict]

    def judged(self, state: TableState, verdict: TableVerdict) -> TableVerdict:
        """The verdict of the receipts, and UNKNOWN where it could not be made again."""
        if verdict.verdict != "MATCH":
            return verdict
        try:
            why = self._obstacle(state)
            if why:
                return replace(verdict, verdict="UNKNOWN", reason=why)
            again = Fingerprint()
            for data in made_again(self.workspace, self.connection, state):
                again += fingerprint(data, state.table.columns)
        except MigrationError as error:
            if self.connection.invalidated:
                raise
            why = f"it could not be made again: {error.what}: {error.why}".rstrip(": ")
            return replace(verdict, verdict="UNKNOWN", reason=why)
        if again != verdict.actual:
            why = f"made again from its bases it is another, of {again.rows:,} rows"
            return replace(verdict, verdict="MISMATCH", reason=why)
        derived = derivation_of(self.workspace, state)
        how = "SQL of" if derived.sql else "a function of"
        path = ", under the role's own search_path" if derived.sql else ""
        said = f"made again from {', '.join(derived.bases)} by {how} {derived.plugin}{path}"
        return replace(verdict, reason="; ".join(filter(None, (verdict.reason, said))))

    def _obstacle(self, state: TableState) -> str:
        """Why making it again would prove nothing; empty if it would."""
        definitions = receipts.reasons(self.connection, self.workspace.ledger, KIND, *state.key)
        if not definitions:
            return "it was never made"
        derived = derivation_of(self.workspace, state)
        with legible("table receipt"):
            then = json.loads(definitions[-1])
            before = {(name, scope): rest for name, scope, *rest in then["bases"]}
        now = basis(self.workspace.registry, derived, self.known, self.sums)
        if then["definition"] != now["definition"]:
            return "it was made by another version of its plugin, its settings or its SQL"
        after = {(name, scope): rest for name, scope, *rest in now["bases"]}
        changed = sorted(
            {table[0] for table in {*before, *after} if before.get(table) != after.get(table)}
        )
        if changed:
            return f"bases changed since: {', '.join(changed)}"
        return "; ".join(filter(None, map(self._differing, derived.bases)))

    def _differing(self, name: str) -> str:
        """Whether a base is not what its receipts say; looked at where no verdict tells it."""
        for state in self.known.values():
            if state.table.name != name:
                continue
            verdict = self.verdicts.get(name)
            expected = self.sums.get((*state.key, state.format_id), Fingerprint())
            if verdict is not None and not state.table.scope:
                is_whole = verdict.actual == expected
            else:
                dialect = self.workspace.target.dialect
                with driver_errors_as_ours(f"table {name}"), self.connection.begin_nested():
                    source = scoped(self.connection, dialect, state.table)
                    stored = dialect.fingerprint(self.connection, state.table, source)
                is_whole = stored == expected
            if not is_whole:
                return f"its base {name} is not as it was loaded"
        return ""
