"""Every failure that a user can meet, with its exit code.

    MigrationError                  1
    |-- UsageProblem                2   the command line
    |-- ConfigurationError          3   migrate.toml, schema files, environment, secrets
    |-- PluginError                 4   a plugin that is missing, broken or breaks its contract
    |-- SourceError                 5   what is read
    |   |-- SourceMissing           5   it is not there
    |   |-- SourceUnreachable       5   it does not answer; worth another attempt
    |   |-- SourceCountDrift        5   it has another number of records than were read
    |   `-- SourceSchemaDrift       5   it has other tables or columns than were declared
    |-- TargetError                 6   what is written
    |   |-- AccessRefused           6   never worth another attempt
    |   |-- TargetBusy              6   somebody holds a lock; worth another attempt
    |   `-- TargetUnavailable       6   worth another attempt
    |       `-- TargetFull          6   worth another attempt once there is space
    |-- QualityError                7   too many records in quarantine
    |-- ProofError                  8   MISMATCH, UNKNOWN, or somebody else changed the target
    |-- Locked                     75   another run holds the target
    `-- Interrupted               130   stopped by a signal, resumable

An error says four things: what happened, where, why, and the next command to type.
All parts are plain text, so that an error survives the way back from a worker process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

__all__ = [
    "AccessRefused",
    "ConfigurationError",
    "Interrupted",
    "Locked",
    "MigrationError",
    "PluginError",
    "ProofError",
    "QualityError",
    "SourceCountDrift",
    "SourceError",
    "SourceMissing",
    "SourceSchemaDrift",
    "SourceUnreachable",
    "TargetBusy",
    "TargetError",
    "TargetFull",
    "TargetUnavailable",
    "UsageProblem",
    "exit_code",
    "packed",
    "unpacked",
]


class MigrationError(Exception):
    """A failure that has one clear line for the user.

    Attributes:
        what: the failure in a few words.
        where: file and line, option, variable, plugin, stream, batch or table.
        why: the cause as far as it is known, never with a secret or row data in it.
        next: what to type or change now.
    """

    exit_code = 1

    def __init__(self, what: str, where: str = "", why: str = "", next: str = "") -> None:  # noqa: A002
        super().__init__(what, where, why, next)
        self.what = what
        self.where = where
        self.why = why
        self.next = next

    def __str__(self) -> str:
        text = self.what
        if self.where:
            text += f" [{self.where}]"
        if self.why:
            text += f": {self.why}"
        if self.next:
            text += f". Next: {self.next}"
        return text

    def as_dict(self) -> dict[str, str | int]:
        """The error as the `error` object of `--json`."""
        return {
            "kind": type(self).__name__,
            "exit_code": self.exit_code,
            "what": self.what,
            "where": self.where,
            "why": self.why,
            "next": self.next,
        }

    def located(self, label: str, clean: Callable[[str], str] = str) -> Self:
        """The same failure with `label` in its place, each of its texts passed through `clean`."""
        where = self.where if label in self.where else f"{label}, {self.where}".strip(", ")
        return type(self)(*map(clean, (self.what, where, self.why, self.next)))


class UsageProblem(MigrationError):
    """The command line asks for something that cannot be done."""

    exit_code = 2


class ConfigurationError(MigrationError):
    """A configuration file, schema file, variable or secret reference is wrong."""

    exit_code = 3


class PluginError(MigrationError):
    """A plugin is missing, broken, or does not keep the contract of a hook."""

    exit_code = 4


class SourceError(MigrationError):
    """A source cannot be read, or does not hold what its schema says."""

    exit_code = 5


class SourceMissing(SourceError):
    """What a stream is read from is not there: no file of that name, no such database."""


class SourceUnreachable(SourceError):
    """A source does not answer; the same call may pass later."""


class SourceCountDrift(SourceError):
    """A source has another number of records than were read of it."""


class SourceSchemaDrift(SourceError):
    """A source has other tables or columns than were declared."""


class TargetError(MigrationError):
    """A target cannot be written, or does not fit the streams."""

    exit_code = 6


class AccessRefused(TargetError):
    """The server does not let this role in: wrong password, no such role or database."""


class TargetBusy(TargetError):
    """Another transaction was in the way; the same call may pass later."""


class TargetUnavailable(TargetError):
    """The target went away in the middle of something; the same call may pass later."""


class TargetFull(TargetUnavailable):
    """The target has no space or no memory left; the same call may pass later."""


class QualityError(MigrationError):
    """More records are in quarantine than the profile allows."""

    exit_code = 7


class ProofError(MigrationError):
    """The target differs from what was loaded, or could not be proven."""

    exit_code = 8


class Locked(MigrationError):
    """Another run holds the target."""

    exit_code = 75


class Interrupted(MigrationError):
    """Stopped by a signal; the same command resumes.

    The exit code is 128 plus the number of the signal.
    """

    exit_code = 130


def exit_code(codes: set[int], *, mismatch: bool, unknown: bool) -> int:
    """The one exit code of a run in which several things went wrong.

    The order is 1, then 8 for a MISMATCH, 6, 5, 4, 7, and last 8 for UNKNOWN. Signals (130,
    143), a newer run that took the target over (75), and codes that end a run before it starts
    (2, 3) win over everything but 1: no verdict of such a run stands.
    """
    failures = codes - {0}
    for code in (1, 130, 143, 75, 3, 2):
        if code in failures:
            return code
    if mismatch:
        return 8
    for code in (6, 5, 4, 7):
        if code in failures:
            return code
    return 8 if unknown or 8 in failures else 0


def packed(error: BaseException, label: str = "") -> dict[str, str]:
    """An error as plain data, so that no exception class has to cross a process border.

    Args:
        error: of any class.
        label: the task that was worked on, added where a plugin or we ourselves failed.
    """
    if not isinstance(error, MigrationError):
        error = MigrationError(
            "a defect in a worker",
            label,
            type(error).__name__,
            "type the same command again with --debug, and report what it prints",
        )
    # A plugin may derive from our errors; only ours are known everywhere.
    kind = next(base for base in type(error).__mro__ if base.__module__ == __name__)
    is_placed = error.exit_code not in (1, 4) or label.partition(",")[0] in error.where
    where = error.where if is_placed else ", ".join(filter(None, (error.where, label)))
    texts = {"what": error.what, "where": where, "why": error.why, "next": error.next}
    return {"kind": kind.__name__, **texts}


def unpacked(data: dict[str, str]) -> MigrationError:
    """The error that another process packed."""
    kind: type[MigrationError] = globals()[data["kind"]]
    return kind(data["what"], data["where"], data["why"], data["next"])
