"""What can happen, each as a frozen value that an observer gets."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from messy_migration.model.event import Event, Severity
from messy_migration.model.usage import Usage

# A run, from its beginning to its end.


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """A run has its id and holds its target."""

    name: ClassVar[str] = "run.started"
    target: str
    profile: str
    plugins: tuple[str, ...]
    streams: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RunResumed(RunStarted):
    """A run goes on that was left unfinished."""

    name: ClassVar[str] = "run.resumed"


@dataclass(frozen=True, kw_only=True)
class RunSucceeded(Event):
    """A run ended with exit code 0, and all that it read is in the target.

    Attributes:
        verdict: MATCH.
        exit_code: of the command.
        extracted, loaded, quarantined, filtered: records of this run.
        seconds: that it took.
        report: path of its evidence.
    """

    name: ClassVar[str] = "run.succeeded"
    verdict: str
    exit_code: int
    extracted: int
    loaded: int
    quarantined: int
    filtered: int
    seconds: float
    report: str


@dataclass(frozen=True, kw_only=True)
class RunDegraded(RunSucceeded):
    """A run ended, all that it loaded is proven, and not all that it read was loaded."""

    name: ClassVar[str] = "run.degraded"
    severity: ClassVar[Severity] = "warning"


@dataclass(frozen=True, kw_only=True)
class RunFailed(Event):
    """A run could not begin, was stopped, or ended without a MATCH.

    Attributes:
        exit_code: of the command.
        verdict: empty where the run came to none.
        what, where, why, next: of the error that decided.
        report: path of its evidence, where it left one.
    """

    name: ClassVar[str] = "run.failed"
    severity: ClassVar[Severity] = "error"
    exit_code: int
    verdict: str = ""
    what: str = ""
    where: str = ""
    why: str = ""
    next: str = ""
    report: str = ""


# The verdict.


@dataclass(frozen=True, kw_only=True)
class ReconcileDone(Event):
    """The command `reconcile` has come to its verdict."""

    name: ClassVar[str] = "reconcile.done"
    is_kept: ClassVar[bool] = False
    target: str
    verdict: str
    exit_code: int


@dataclass(frozen=True, kw_only=True)
class ReconcileFailed(Event):
    """The command `reconcile` could not begin, or came to no verdict."""

    name: ClassVar[str] = "reconcile.failed"
    severity: ClassVar[Severity] = "error"
    is_kept: ClassVar[bool] = False
    exit_code: int
    what: str
    where: str = ""
    why: str = ""
    next: str = ""


@dataclass(frozen=True, kw_only=True)
class ReconcileMismatch(Event):
    """Tables of the target are not what was loaded."""

    name: ClassVar[str] = "reconcile.mismatch"
    severity: ClassVar[Severity] = "critical"
    target: str
    tables: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class QuarantineOverLimit(Event):
    """More records of a stream are in quarantine than the profile allows; of all runs."""

    name: ClassVar[str] = "quarantine.over_limit"
    severity: ClassVar[Severity] = "error"
    quarantined: int
    extracted: int
    limit: float


# What was met on the way.


@dataclass(frozen=True, kw_only=True)
class Condition(Event):
    """Something is wrong outside of the run.

    Attributes:
        what, where, why: as the error says them.
    """

    severity: ClassVar[Severity] = "error"
    what: str
    where: str = ""
    why: str = ""

    @property
    def text(self) -> str:
        """See `Event`."""
        where = f" [{self.where}]" if self.where else ""
        return f"{self.what}{where}: {self.why}" if self.why else self.what + where


@dataclass(frozen=True, kw_only=True)
class SourceMissing(Condition):
    """What a stream is read from is not there."""

    name: ClassVar[str] = "source.missing"


@dataclass(frozen=True, kw_only=True)
class SourceUnreachable(Condition):
    """A source does not answer."""

    name: ClassVar[str] = "source.unreachable"


@dataclass(frozen=True, kw_only=True)
class SourceCountDrift(Condition):
    """A source has another number of records than were read of it."""

    name: ClassVar[str] = "source.count_drift"


@dataclass(frozen=True, kw_only=True)
class SourceSchemaDrift(Condition):
    """A source has other tables or columns than were declared."""

    name: ClassVar[str] = "source.schema_drift"


@dataclass(frozen=True, kw_only=True)
class PluginBroken(Condition):
    """A plugin is missing, failed, or does not keep the contract of a hook."""

    name: ClassVar[str] = "plugin.broken"


@dataclass(frozen=True, kw_only=True)
class SecretUnavailable(Condition):
    """The secret behind a reference is not to be had."""

    name: ClassVar[str] = "secret.unavailable"


@dataclass(frozen=True, kw_only=True)
class CircuitOpened(Condition):
    """So many calls in a row failed that no more are sent to a source."""

    name: ClassVar[str] = "circuit.opened"
    on_screen: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class HttpFailed(Event):
    """One call to a source failed in a way that may pass; it is tried again.

    Attributes:
        place: host and path.
        why: in words, such as `status 503`.
    """

    name: ClassVar[str] = "http.failed"
    is_kept: ClassVar[bool] = False
    on_screen: ClassVar[bool] = True
    place: str
    why: str

    @property
    def text(self) -> str:
        """See `Event`."""
        return f"http.failed {self.place}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class DbUnreachable(Condition):
    """The target does not answer, or is locked; a process that needs it waits.

    Attributes:
        seconds: how long it is waited for.
    """

    name: ClassVar[str] = "db.unreachable"
    on_screen: ClassVar[bool] = True
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """See `Event`."""
        line = super().text
        return f"waiting up to {self.seconds:g} s: {line}" if self.seconds else line


@dataclass(frozen=True, kw_only=True)
class ResourceLimit(DbUnreachable):
    """The target has no space or no memory left; a process that needs it waits."""

    name: ClassVar[str] = "resource.limit"


@dataclass(frozen=True, kw_only=True)
class DbReturned(Event):
    """The target answers again, after so many seconds."""

    name: ClassVar[str] = "db.returned"
    on_screen: ClassVar[bool] = True
    seconds: float

    @property
    def text(self) -> str:
        """See `Event`."""
        return f"going on after {self.seconds:.1f} s"


# Batches, and the workers that take them.


@dataclass(frozen=True, kw_only=True)
class PartitionLanded(Event):
    """What a source answered about a partition is in a file."""

    name: ClassVar[str] = "partition.landed"
    is_kept: ClassVar[bool] = False
    partition: str
    records: int


@dataclass(frozen=True, kw_only=True)
class BatchCommitted(Event):
    """A batch is in the target, together with its receipt, which says the same.

    Attributes:
        partition, ordinal: its place.
        extracted, loaded, quarantined, filtered: records.
        inserted, updated, unchanged: rows of all tables.
        cpu_seconds: of its worker, since what it told before.
        memory_bytes: the most that its worker has had so far.
        bytes: of its records, as they were extracted.
        calls: that its worker made to an API, since what it told before.
    """

    name: ClassVar[str] = "batch.committed"
    is_kept: ClassVar[bool] = False
    partition: str
    ordinal: int
    extracted: int
    loaded: int
    quarantined: int
    filtered: int
    inserted: int
    updated: int
    unchanged: int
    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    bytes: int = 0
    calls: int = 0

    @property
    def usage(self) -> Usage:
        """What the batch cost."""
        return Usage(**{cost.name: getattr(self, cost.name) for cost in fields(Usage)})


@dataclass(frozen=True, kw_only=True)
class CommitUnanswered(Event):
    """The answer to a COMMIT was lost, and the ledger was asked.

    Attributes:
        is_committed: the batch is there; else it is written again.
    """

    name: ClassVar[str] = "commit.unanswered"
    severity: ClassVar[Severity] = "warning"
    on_screen: ClassVar[bool] = True
    is_committed: bool

    @property
    def text(self) -> str:
        """See `Event`."""
        outcome = "it is committed" if self.is_committed else "it is not, and is written again"
        return f"the answer to a COMMIT was lost; the ledger says: {outcome}"


@dataclass(frozen=True, kw_only=True)
class BatchRetriesExhausted(Condition):
    """A batch was tried as often as makes sense."""

    name: ClassVar[str] = "batch.retries_exhausted"


@dataclass(frozen=True, kw_only=True)
class WorkerDied(Event):
    """A worker died; what it had under way is begun again by another one.

    Attributes:
        how: in words, such as `signal 9 (SIGKILL)`.
        partition: that it had; empty where it had none.
    """

    name: ClassVar[str] = "worker.died"
    severity: ClassVar[Severity] = "warning"
    on_screen: ClassVar[bool] = True
    how: str
    partition: str = ""

    @property
    def text(self) -> str:
        """See `Event`."""
        had = f" at {self.stream}, {self.partition}" if self.partition else ""
        return f"a worker died{had}: {self.how}"
