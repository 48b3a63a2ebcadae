"""What a worker is told: once per run, and once per partition."""

from __future__ import annotations

from dataclasses import dataclass

from messy_migration.ledger.receipts import Scope
from messy_migration.model import Partition, Stream, stream_label
from messy_migration.pipeline.cut import Cutting
from messy_migration.pipeline.halves import Span
from messy_migration.workspace import Request


@dataclass(frozen=True)
class Briefing:
    """What every worker of a run has to know; plain data.

    Attributes:
        request: how to find the settings, with the digest they must have.
        run_id, epoch: of the run.
        fresh: (table, scope) pairs that the run found empty.
        cutting: bounds of a batch, fixed when the run began.
        streams: those of the run, as it was planned; none if the plugins are to be asked.
        key_id: of the `fingerprint_key`; empty without one. The key itself crosses no border.
    """

    request: Request
    run_id: str
    epoch: int
    fresh: frozenset[tuple[str, Scope]]
    cutting: Cutting
    streams: tuple[Stream, ...] = ()
    key_id: str = ""

    @property
    def application(self) -> str:
        """The name of the run's connections on the server."""
        return f"mm:{self.run_id}"


@dataclass(frozen=True)
class Task:
    """One partition to be read.

    Attributes:
        stream, tenant, plan_id: what it belongs to, and how its records become rows.
        partition: what to read.
        fatal: rows of which workers died when they took them at once: they are taken in halves,
            and a single record goes to quarantine.
        death: how the last of those workers died, in words.
        is_sampled: the partition is begun twice, and the two beginnings compared.
    """

    stream: str
    tenant: str
    plan_id: str
    partition: Partition
    fatal: tuple[Span, ...] = ()
    death: str = ""
    is_sampled: bool = False

    @property
    def plugin(self) -> str:
        """The plugin that reads it."""
        return self.stream.partition(".")[0]

    @property
    def place(self) -> tuple[str, str, str]:
        """What identifies the task: stream, tenant and digest of the partition."""
        return self.stream, self.tenant, self.partition.digest

    @property
    def label(self) -> str:
        """The task as people see it."""
        return f"{stream_label(self.stream, self.tenant)}, {self.partition.name}"
