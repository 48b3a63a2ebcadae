"""`run`: migrate, then reconcile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any

from messy_migration.api.preconditions import refuse_empty, refuse_missing
from messy_migration.api.recall import where_unnamed
from messy_migration.api.reconciliations import (
    Reconciliation,
    reconcile,
    reconciliation_object,
)
from messy_migration.api.results import Result
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.errors import MigrationError, ProofError
from messy_migration.ledger import schema
from messy_migration.ledger.completeness import headline, told
from messy_migration.ledger.totals import StreamTotals
from messy_migration.logs import borrowed
from messy_migration.model.event import Event
from messy_migration.reconcile.options import ReconcileOptions
from messy_migration.redaction import Redactor
from messy_migration.run.as_json import run_object
from messy_migration.run.events import RunEvents, telling
from messy_migration.run.open import new_run_id, opened
from messy_migration.run.options import RunOptions
from messy_migration.run.outcome import Observer, Outcome
from messy_migration.run.plan import StreamPlan
from messy_migration.run.rotation import rotate
from messy_migration.run.run import execute
from messy_migration.run.sandbox import Served, served
from messy_migration.workers.nursery import Nursery, nursery
from messy_migration.workspace import Request

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult(Outcome, Result):
    """How a run ended; see `Outcome`.

    Attributes:
        final: of a final run that was all right so far, the values of the target held against
            the sources as they were afterwards; verdict and exit code are then of both.
    """

    redactor: Redactor = field(default_factory=Redactor, repr=False, compare=False)
    final: Reconciliation | None = None

    def _object(self) -> dict[str, Any]:
        last = {"final": reconciliation_object(self.final)} if self.final else {}
        return {**run_object(self), **last}

    def _headline(self) -> str:
        rest = told(self.proof.completeness)
        line = headline(self.verdict, self.proof.completeness)
        return f"{line}; {rest}" if rest else line

    def _problems(self) -> Sequence[MigrationError]:
        return self.problems

    def _columns(self) -> Mapping[str, Sequence[str]]:
        return {
            "streams": ("stream", "tenant", "extracted", "loaded", "quarantined", "filtered"),
            "tables": ("table", "scope", "inserted", "updated", "unchanged", "verdict", "reason"),
            "differences": ("table", "key", "kind", "columns"),
        }


class Silent:
    """An observer that watches nothing."""

    def planned(self, *_: object) -> None:
        """See `Observer`."""

    def hear(self, *_: object) -> None:
        """See `Observer`."""

    def proving(self) -> None:
        """See `Observer`."""


class _Guarded:
    """Passes on to an observer until it fails: it can end no run."""

    def __init__(self, observer: Observer) -> None:
        self._observer: Observer = observer

    def hear(self, event: Event) -> None:
        self._tell(lambda: self._observer.hear(event))

    def planned(
        self, plans: Sequence[StreamPlan], workers: int, before: Sequence[StreamTotals]
    ) -> None:
        self._tell(lambda: self._observer.planned(plans, workers, before))

    def proving(self) -> None:
        self._tell(self._observer.proving)

    def _tell(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - a stranger's, and only shows the run
            self._observer = Silent()
            _LOG.warning("the observer failed and hears no more: %s", type(error).__name__)


@borrowed()
def run(
    request: Request, observer: Observer | None = None, options: RunOptions | None = None
) -> RunResult:
    """Migrate, then reconcile; called again it resumes what is unfinished.

    Args:
        request: which settings to use.
        observer: told of progress; one that fails is told no more, and ends no run.
        options: what the run is asked to do.

    Raises:
        MigrationError: the run could not begin; what goes wrong later is in the outcome.
    """
    options = options or RunOptions()
    result = _run(request, _Guarded(observer or Silent()), options)
    if not options.final or result.exit_code:
        return result
    asked = ReconcileOptions(against="source", strict=True, report=True)
    last = reconcile(request, options=asked, sandbox=options.sandbox)
    return replace(
        result,
        final=last,
        verdict=last.verdict,
        exit_code=last.exit_code,
        problems=(*result.problems, *last.problems, *_unfinal(last)),
    )


def _unfinal(last: Reconciliation) -> list[MigrationError]:
    """What to do where a final run was no final one."""
    if not last.exit_code:
        return []
    where, next_step = last.target, "stop what writes to it, then `migrate run --final`"
    if last.verdict == "MISMATCH":
        return [ProofError("the target is not what its source is now", where, next=next_step)]
    why = "; ".join(last.proof.allowed) or "not everything could be held against its source"
    return [ProofError("the run is not final", where, why)]


def _run(request: Request, watcher: Observer, options: RunOptions) -> RunResult:
    # The nursery comes first: a copy of it must hold no plugin and no connection.
    request = replace(request, run_id=new_run_id())
    with (
        nursery() as ready,
        telling(request) as events,
        _asked(request, options, ready) as (asked, seeded, boxes),
    ):
        events.show(watcher.hear)
        if options.rotate_key:
            outcome = _rotated(asked, watcher, seeded, events)
        else:
            outcome = execute(asked, watcher, seeded, events, ready)
        traffic = {box.plugin: {"manifest": dict(box.manifest), **box.traffic()} for box in boxes}
        parts = {attribute.name: getattr(outcome, attribute.name) for attribute in fields(outcome)}
        return RunResult(**{**parts, "sandbox": traffic, "redactor": asked.redactor})


@contextmanager
def _asked(
    request: Request, options: RunOptions, nursery: Nursery | None
) -> Iterator[tuple[Request, RunOptions, list[Served]]]:
    """What is asked for, with what the ledger knows where no plugin is named, and the sandboxes."""
    request, seed = where_unnamed(request, options.sandbox)
    with served(request, seed, nursery) as (asked, boxes):
        yield asked, replace(options, sandbox=seed), boxes


def _rotated(
    request: Request, observer: Observer, options: RunOptions, events: RunEvents
) -> Outcome:
    """Change the key of a target that was loaded before."""
    with opened(request, events) as workspace:
        target = workspace.target
        refuse_missing(workspace)
        with (
            driver_errors_as_ours(f"target {target.label}"),
            target.dialect.reading(target.engine) as connection,
        ):
            refuse_empty(workspace, schema.version(connection))
        return rotate(workspace, observer, options, events)
