"""Runs and the partitions they planned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from messy_migration.ledger import changes
from messy_migration.ledger.clock import now
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.tables import Ledger, legible
from messy_migration.model import Partition, Stream


@dataclass(frozen=True)
class Kept:
    """Under what a run loaded, as far as it changes rows.

    Attributes:
        versions: plugin -> "distribution version".
        sections: plugin -> its settings that change rows, none of them a secret; None in ledgers
            of before these were kept.
    """

    versions: Mapping[str, str]
    sections: Mapping[str, Any] | None


_TENANT = "@"
"""Before the name of a tenant in a selection."""
_KEPT = "settings"
_RESTARTED = "restart"


@dataclass(frozen=True)
class Run:
    """One row of the run table; times are ISO 8601 in UTC."""

    run_id: str
    profile: str
    plugins: tuple[str, ...]
    selection: tuple[str, ...]
    state: str
    options: Mapping[str, Any]
    versions: Mapping[str, str]
    host: str
    pid: int
    actor: str
    started_at: str
    finished_at: str | None = None
    verdict: str | None = None
    exit_code: int | None = None
    report: str | None = None

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of stream names in its selection; empty for all streams."""
        return tuple(word for word in self.selection if not word.startswith(_TENANT))

    @property
    def tenants(self) -> tuple[str, ...]:
        """The tenants in its selection; empty for all."""
        return tuple(
            word.removeprefix(_TENANT) for word in self.selection if word.startswith(_TENANT)
        )

    @property
    def kept(self) -> tuple[Kept, ...]:
        """Under what it loaded: when it began, and each time it was resumed under other settings.

        Raises:
            LedgerDamaged: it is not what a run has written.
        """
        if _KEPT not in self.options:
            return (Kept(self.versions, None),)
        with legible("table run"):
            return tuple(
                Kept(
                    dict(entry["versions"]),
                    None if entry["sections"] is None else dict(entry["sections"]),
                )
                for entry in self.options[_KEPT]
            )

    @property
    def is_restart(self) -> bool:
        """Does it read again what is in the target already?"""
        return bool(self.options.get(_RESTARTED))

    def keeping(self, kept: Kept) -> Run:
        """The run with what it loads under from now on; itself if it did so before."""
        if kept in self.kept:
            return self
        entries = [
            {"versions": dict(entry.versions), "sections": entry.sections}
            for entry in (*self.kept, kept)
        ]
        return replace(self, options={**self.options, _KEPT: entries})

    def begun(self, kept: Kept, *, is_restart: bool = False) -> Run:
        """A new run, which loads under this.

        Args:
            kept: versions and settings of today.
            is_restart: it reads again what is in the target already.
        """
        more = {_KEPT: [], **({_RESTARTED: True} if is_restart else {})}
        return replace(self, options={**self.options, **more}).keeping(kept)


@dataclass(frozen=True)
class Planned:
    """A partition as a run planned it."""

    run_id: str
    stream: str
    tenant: str
    plan_id: str
    ordinal: int
    partition: Partition


def selection_of(patterns: Sequence[str], tenants: Sequence[str]) -> tuple[str, ...]:
    """The selection of a run as the ledger keeps it; `Run.patterns` and `Run.tenants` read it."""
    return (*patterns, *(f"{_TENANT}{tenant}" for tenant in tenants))


def short(run_id: str) -> str:
    """The beginning of a run's id by which people name it: its time, to the millisecond."""
    return run_id[:13]


def add(connection: Connection, ledger: Ledger, signature: Signature, run: Run) -> None:
    """Record a new run."""
    values = {name: getattr(run, name) for name in Run.__dataclass_fields__}
    for name in ("plugins", "selection", "options", "versions"):
        values[name] = json.dumps(values[name])
    connection.execute(insert(ledger.run).values(values))
    changes.record(connection, ledger, signature, "run", (run.run_id,))


def find_open(
    connection: Connection,
    ledger: Ledger,
    profile: str,
    plugins: Sequence[str],
    selection: Sequence[str],
) -> Run | None:
    """The newest unfinished run of the same profile, plugins and selection."""
    table = ledger.run
    query = (
        select(table)
        .where(
            table.c.state == "open",
            table.c.profile == profile,
            table.c.plugins == json.dumps(list(plugins)),
            table.c.selection == json.dumps(list(selection)),
        )
        .order_by(table.c.started_at.desc())
    )
    row = connection.execute(query).mappings().first()
    return _run(row) if row else None


def open_like(connection: Connection, ledger: Ledger, run: Run) -> list[Run]:
    """The other unfinished runs of the same profile, plugins and selection."""
    asked = (run.profile, run.plugins, run.selection)
    return [
        other
        for other in unfinished(connection, ledger)
        if (other.profile, other.plugins, other.selection) == asked and other.run_id != run.run_id
    ]


def kept(found: Sequence[Run]) -> list[Kept]:
    """Under what runs loaded, each once; the newest first if they are."""
    different: list[Kept] = []
    for run in found:
        different += [entry for entry in reversed(run.kept) if entry not in different]
    return different


def keep(connection: Connection, ledger: Ledger, signature: Signature, run: Run) -> None:
    """Write down what a run that goes on loads under from now on."""
    _change(connection, ledger, signature, run.run_id, options=json.dumps(run.options))


def abandon(connection: Connection, ledger: Ledger, signature: Signature, run: Run) -> None:
    """Close a run that is not to be resumed; what it committed stays."""
    _change(connection, ledger, signature, run.run_id, state="done", finished_at=now())


def _change(
    connection: Connection, ledger: Ledger, signature: Signature, run_id: str, **values: Any
) -> None:
    table = ledger.run
    connection.execute(update(table).where(table.c.run_id == run_id).values(**values))
    changes.record(connection, ledger, signature, "run", (run_id,))


def history(connection: Connection, ledger: Ledger, limit: int | None = 20) -> list[Run]:
    """The newest runs first; all of them without a limit."""
    query = select(ledger.run).order_by(ledger.run.c.started_at.desc()).limit(limit)
    return [_run(row) for row in connection.execute(query).mappings()]


def unfinished(connection: Connection, ledger: Ledger) -> list[Run]:
    """The runs that can be resumed, oldest first."""
    query = select(ledger.run).where(ledger.run.c.state == "open").order_by(ledger.run.c.started_at)
    return [_run(row) for row in connection.execute(query).mappings()]


def find(connection: Connection, ledger: Ledger, prefix: str) -> list[Run]:
    """The runs whose id begins with the prefix."""
    query = select(ledger.run).where(func.substr(ledger.run.c.run_id, 1, len(prefix)) == prefix)
    return [_run(row) for row in connection.execute(query).mappings()]


def finish(
    connection: Connection,
    ledger: Ledger,
    signature: Signature,
    *,
    state: str,
    verdict: str | None,
    exit_code: int,
    report: str | None,
) -> None:
    """Write down how a run ended; an `open` one can be resumed."""
    connection.execute(
        update(ledger.run)
        .where(ledger.run.c.run_id == signature.run_id)
        .values(state=state, verdict=verdict, exit_code=exit_code, report=report, finished_at=now())
    )
    changes.record(connection, ledger, signature, "run", (signature.run_id,))


def plan(
    connection: Connection,
    ledger: Ledger,
    signature: Signature,
    stream: Stream,
    plan_id: str,
    partitions: Sequence[Partition],
) -> None:
    """Record the partitions of a stream that a run is going to read; known ones are kept."""
    table, run_id = ledger.partition, signature.run_id
    digests_planned = set(
        connection.execute(
            select(table.c.digest).where(
                table.c.run_id == run_id,
                table.c.stream == stream.name,
                table.c.tenant == stream.tenant,
            )
        ).scalars()
    )
    for start in range(0, len(partitions), 500):
        # What was planned and never begun is read as it would be read now.
        digests = [partition.digest for partition in partitions[start : start + 500]]
        connection.execute(
            update(table)
            .where(
                table.c.run_id == run_id,
                table.c.stream == stream.name,
                table.c.tenant == stream.tenant,
                table.c.digest.in_(digests),
            )
            .values(plan_id=plan_id)
        )
    rows = [
        {
            "run_id": run_id,
            "stream": stream.name,
            "tenant": stream.tenant,
            "digest": partition.digest,
            "name": partition.name,
            "bounds": json.dumps(dict(partition.bounds)),
            "plan_id": plan_id,
            "ordinal": ordinal,
            "records": partition.records,
            "until": partition.until,
        }
        # What a resumed run plans anew comes after what it planned before.
        for ordinal, partition in enumerate(partitions, len(digests_planned))
        if partition.digest not in digests_planned
    ]
    if rows:
        connection.execute(insert(table), rows)
    if partitions:
        identity = (run_id, stream.name, stream.tenant)
        changes.record(connection, ledger, signature, "partition", identity)


def planned(connection: Connection, ledger: Ledger) -> list[Planned]:
    """Every partition that any run planned, oldest run first."""
    table, run = ledger.partition, ledger.run
    query = (
        select(table)
        .join(run, run.c.run_id == table.c.run_id)
        .order_by(run.c.started_at, table.c.stream, table.c.tenant, table.c.ordinal)
    )
    with legible("table partition"):
        return [
            Planned(
                row["run_id"],
                row["stream"],
                row["tenant"],
                row["plan_id"],
                row["ordinal"],
                Partition(
                    row["name"],
                    row["digest"],
                    json.loads(row["bounds"]),
                    row["records"],
                    row["until"],
                ),
            )
            for row in connection.execute(query).mappings()
        ]


def _run(row: RowMapping) -> Run:
    values = {name: row[name] for name in Run.__dataclass_fields__}
    values["plugins"] = tuple(json.loads(values["plugins"]))
    values["selection"] = tuple(json.loads(values["selection"]))
    values["options"] = json.loads(values["options"])
    values["versions"] = json.loads(values["versions"])
    return Run(**values)
