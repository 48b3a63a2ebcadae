"""What a command does with events: name the run, tell the observers, keep them for the ledger.

The log line is written behind this, so that every view of an event says the same.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from typing import Any, Final

from messy_migration import errors, logs
from messy_migration.errors import Interrupted, MigrationError
from messy_migration.events import Observers, listening
from messy_migration.ledger.completeness import Completeness
from messy_migration.model import events as kinds
from messy_migration.model.event import Event, tell
from messy_migration.model.events import BatchCommitted, Condition, DbReturned
from messy_migration.model.usage import Usage
from messy_migration.registry import Registry
from messy_migration.run.outcome import Outcome
from messy_migration.workspace import Request, open_observers

_log = logging.getLogger(__name__)

_CONDITIONS: Final[tuple[tuple[type[MigrationError], type[Condition]], ...]] = (
    (errors.SourceMissing, kinds.SourceMissing),
    (errors.SourceUnreachable, kinds.SourceUnreachable),
    (errors.SourceCountDrift, kinds.SourceCountDrift),
    (errors.SourceSchemaDrift, kinds.SourceSchemaDrift),
    (errors.PluginError, kinds.PluginBroken),
    (errors.TargetFull, kinds.ResourceLimit),
    (errors.TargetUnavailable, kinds.DbUnreachable),
    (errors.AccessRefused, kinds.DbUnreachable),
)


class RunEvents:
    """The events of one command.

    Attributes:
        usage: (stream, tenant) -> what its workers said that it cost.
        batches: ids of the batches that were told.
    """

    def __init__(self, request: Request) -> None:
        self.usage: dict[tuple[str, str], Usage] = {}
        self.batches: set[str] = set()
        self._clean = request.redactor.text
        self._run_id = request.run_id
        self._view: Callable[[Event], None] | None = None
        self._observers: Observers | None = None
        self._early: list[Event] = []
        self._kept: list[tuple[int, Event]] = []
        self._number = 0
        self._is_closed = False
        self._away = False
        self._lock = threading.Lock()

    def name_run(self, run_id: str) -> None:
        """From now on events and log lines are of this run."""
        self._run_id = run_id
        logs.name_run(run_id)

    def hear(self, event: Event) -> Event | None:
        """See `events.listening`."""
        with self._lock:
            if self._is_known(event):
                return None
            event = self._named(event)
            if isinstance(event, BatchCommitted):
                self.batches.add(event.batch)
                self.add_usage(event.stream, event.tenant, event.usage)
            if event.is_kept and not self._is_closed:
                self._keep(event)
            if self._view is not None:
                self._view(event)
            if self._observers is None:
                self._early.append(event)
            else:
                self._observers.tell(event)
        return event

    def show(self, view: Callable[[Event], None]) -> None:
        """From now on every event is shown by this view, too; it returns at once."""
        self._view = view

    def add_usage(self, stream: str, tenant: str, usage: Usage) -> None:
        """Count what a stream cost."""
        self.usage[stream, tenant] = self.usage.get((stream, tenant), Usage()) + usage

    def observe(self, registry: Registry) -> None:
        """From now on the observers are known; they hear what happened before, too."""
        names = [name for name in registry.names if registry.implements(name, "notify")]

        def call(name: str, event: Event) -> None:
            registry.call_one(name, "notify", event=event)

        with self._lock:
            self._observers = Observers(names, call)
            for event in self._early:
                self._observers.tell(event)
            self._early.clear()

    def kept(self, *last: Event) -> list[tuple[int, Event]]:
        """What the ledger is to hold and does not yet, each with its number in this process.

        Args:
            last: events that are told once they are written.
        """
        with self._lock:
            new = [event for event in last if event.is_kept]
            named = enumerate(map(self._named, new), self._number + 1)
            return [*self._kept, *named]

    def written(self, until: int, *, is_closed: bool = False) -> None:
        """The ledger holds the events up to this number; nothing follows if it `is_closed`."""
        with self._lock:
            self._kept = [(number, event) for number, event in self._kept if number > until]
            self._is_closed = is_closed

    def failed(self, error: BaseException, request: Request) -> None:
        """The command ends without a result: say what was met, and that it ended."""
        problem = _known(error)
        met = condition(problem)
        if met is not None:
            tell(met)
        end = failure(problem, problem.exit_code)
        tell(end if self._run_id else kinds.ReconcileFailed(**end.facts()))
        if self._observers is None and (registry := open_observers(request)) is not None:
            self.observe(registry)

    def close(self) -> None:
        """Give the observers the rest of their time."""
        if self._observers is not None:
            self._observers.close()

    def _keep(self, event: Event) -> None:
        self._number += 1
        self._kept.append((self._number, event))

    def _is_known(self, event: Event) -> bool:
        """Every process that needs the target tells of the same outage."""
        if isinstance(event, kinds.DbUnreachable):
            is_known, self._away = self._away, True
            return is_known
        if isinstance(event, DbReturned):
            is_known, self._away = not self._away, False
            return is_known
        return False

    def _named(self, event: Event) -> Event:
        """With the run, and without any secret: plugins and servers say what they like."""
        changed: dict[str, Any] = {"run": self._run_id}
        if not isinstance(event, BatchCommitted):
            for field in fields(event):
                value = getattr(event, field.name)
                if isinstance(value, str) and field.name != "run":
                    changed[field.name] = self._clean(value)
        return replace(event, **changed)


@contextmanager
def telling(request: Request) -> Iterator[RunEvents]:
    """Hear the events of a command until it ends, and say so if it fails."""
    events = RunEvents(request)
    with listening(events.hear):
        try:
            yield events
        except BaseException as error:
            with suppress(Exception):  # the error that ended the command is worth more
                events.failed(error, request)
            raise
        finally:
            events.close()


def condition(error: MigrationError, stream: str = "", tenant: str = "") -> Condition | None:
    """The event behind an error, where it is one of the catalogue."""
    for raised, kind in _CONDITIONS:
        if isinstance(error, raised):
            label = {"stream": stream, "tenant": tenant}
            return kind(what=error.what, where=error.where, why=error.why, **label)
    return None


def ending(outcome: Outcome) -> list[Event]:
    """What there is to say when a run has its verdict; the last one says how it ended."""
    events: list[Event] = list(over_limit(outcome.proof.completeness))
    wrong = tuple(
        verdict.table for verdict in outcome.proof.verdicts if verdict.verdict == "MISMATCH"
    )
    if wrong:
        events.append(kinds.ReconcileMismatch(target=outcome.target, tables=wrong))
    if outcome.verdict == "MATCH" and outcome.exit_code in (0, 7):
        is_whole = outcome.exit_code == 0 and not outcome.waiting
        kind = kinds.RunSucceeded if is_whole else kinds.RunDegraded
        return [
            *events,
            kind(
                verdict=outcome.verdict,
                exit_code=outcome.exit_code,
                extracted=sum(totals.extracted for totals in outcome.streams),
                loaded=sum(totals.loaded for totals in outcome.streams),
                quarantined=sum(totals.quarantined for totals in outcome.streams),
                filtered=sum(totals.filtered for totals in outcome.streams),
                seconds=round(outcome.seconds, 3),
                report=outcome.report,
            ),
        ]
    by_code = [error for error in outcome.problems if error.exit_code == outcome.exit_code]
    first = next(iter([*by_code, *outcome.problems]), None) or MigrationError(
        f"the verdict is {outcome.verdict}", outcome.target, next="migrate reconcile"
    )
    return [*events, failure(first, outcome.exit_code, outcome.verdict, outcome.report)]


def failure(
    error: MigrationError, exit_code: int, verdict: str = "", report: str = ""
) -> kinds.RunFailed:
    """The end of a run that failed, by the error that decided."""
    return kinds.RunFailed(
        exit_code=exit_code,
        verdict=verdict,
        what=error.what,
        where=error.where,
        why=error.why,
        next=error.next,
        report=report,
    )


def over_limit(completeness: tuple[Completeness, ...]) -> Iterator[kinds.QuarantineOverLimit]:
    """The streams of which too much is in quarantine."""
    for one in completeness:
        if one.is_over:
            yield kinds.QuarantineOverLimit(
                stream=one.stream,
                tenant=one.tenant,
                quarantined=one.quarantined,
                extracted=one.extracted,
                limit=one.limit,
            )


def _known(error: BaseException) -> MigrationError:
    if isinstance(error, MigrationError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("interrupted", next="run the same command again, it resumes")
    return MigrationError(f"internal defect {type(error).__name__}")
