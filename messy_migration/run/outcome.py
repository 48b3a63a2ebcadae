"""How a run is watched, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from messy_migration.compare.findings import Word
from messy_migration.errors import MigrationError
from messy_migration.ledger.runs import Run
from messy_migration.ledger.totals import StreamTotals, TableTotals
from messy_migration.model.event import Event
from messy_migration.model.usage import Usage
from messy_migration.reconcile.reconcile import Proof
from messy_migration.run.plan import StreamPlan


class Observer(Protocol):
    """A view of a run; the command line shows it to a person."""

    def hear(self, event: Event) -> None:
        """The run says that something happened; any thread may call this."""

    def planned(
        self, plans: Sequence[StreamPlan], workers: int, before: Sequence[StreamTotals]
    ) -> None:
        """What is going to be read is known, and what the run did `before` it was resumed."""

    def proving(self) -> None:
        """All batches are committed; the target is about to be read back."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        run: as the ledger has it.
        target: its URL without password.
        resumed: it took up an unfinished run.
        workers: processes that worked; 0 if there was nothing to read.
        seconds: how long it took.
        streams: counts of records, this run.
        tables: counts of rows, this run.
        proof: the reconciliation.
        quarantine: (stream, tenant, rule, column, records), this run.
        waiting: records of these streams in quarantine, over all runs.
        problems: what went wrong, in the order in which it was met.
        skipped: partitions that were in the target already.
        notes: what is to be said of partitions that were loaded in part, or are not read again.
        verdict, exit_code: the end of it.
        report, report_page: paths of the evidence file and of its page.
        link, head: ordinal and head of the link that it added to the chain.
        sandbox: plugin -> what its sandbox served and was asked, where one was used.
        usage: (stream, tenant) -> what its workers used since this command began.
    """

    run: Run
    target: str
    resumed: bool
    workers: int
    seconds: float
    streams: tuple[StreamTotals, ...]
    tables: tuple[TableTotals, ...]
    proof: Proof
    quarantine: tuple[tuple[str, str, str, str | None, int], ...]
    problems: tuple[MigrationError, ...]
    skipped: int
    verdict: Word
    exit_code: int
    waiting: int = 0
    notes: tuple[str, ...] = ()
    report: str = ""
    report_page: str = ""
    link: int = 0
    head: str = ""
    sandbox: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    usage: Mapping[tuple[str, str], Usage] = field(default_factory=dict)
