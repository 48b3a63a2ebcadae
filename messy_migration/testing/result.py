"""How a `migrate` command ended, and what a test reads of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, TypeAlias

_VERDICTS = ("MATCH", "MISMATCH", "UNKNOWN", "UNTOUCHED", "TOUCHED")
Fingerprints: TypeAlias = dict[tuple[str, tuple[tuple[str, str], ...]], str]
COUNTS = ("extracted", "loaded", "quarantined", "filtered")


@dataclass(frozen=True)
class Result:
    """How a command ended.

    Attributes:
        code: the exit code; the negative number of the signal that killed the process.
        out: what it printed to stdout.
        err: what it printed to stderr.
    """

    code: int
    out: str
    err: str

    @cached_property
    def json(self) -> Any:
        """The one JSON object on stdout, after `--json`."""
        return json.loads(self.out)

    @property
    def text(self) -> str:
        """Everything that the command printed."""
        return self.out + self.err

    @property
    def errors(self) -> list[str]:
        """The lines on stderr that say what went wrong."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]

    @property
    def error(self) -> str:
        """The only such line."""
        assert len(self.errors) == 1, self.err
        return self.errors[0]

    @property
    def fingerprints(self) -> Fingerprints:
        """(table, scope) -> the fingerprint of its rows in the target."""
        return fingerprints(self.json)

    @property
    def last(self) -> str:
        """The line of the verdict, as a person reads it."""
        return next(line for line in self.out.splitlines() if line.startswith(_VERDICTS))

    def stream(self, name: str, tenant: str = "") -> dict[str, Any]:
        """What the JSON says about one stream, such as `files.people`."""
        (stream,) = (
            stream
            for stream in self.json["streams"]
            if (stream["stream"], stream["tenant"]) == (name, tenant)
        )
        return dict(stream)

    def counts(self, name: str, tenant: str = "") -> tuple[int, ...]:
        """How many records of a stream were extracted, loaded, quarantined and filtered."""
        stream = self.stream(name, tenant)
        return tuple(stream[count] for count in COUNTS)

    def tables(self, **scope: str) -> list[dict[str, Any]]:
        """What the JSON says about the tables whose scope has these values."""
        return [table for table in self.json["tables"] if scope.items() <= table["scope"].items()]

    def table(self, name: str, **scope: str) -> dict[str, Any]:
        """What the JSON says about one table in one scope."""
        (table,) = (table for table in self.tables(**scope) if table["table"] == name)
        return table

    def verdicts(self) -> dict[str, str]:
        """Table -> its verdict."""
        return {table["table"]: table["verdict"] for table in self.json["tables"]}

    def ended(self, code: int, verdict: str = "") -> Self:
        """Itself, after a command that must have ended with this exit code and verdict."""
        assert self.code == code, f"exit {self.code}\n{self.out}\n{self.err}"
        assert not verdict or self.json["verdict"] == verdict, self.out
        return self

    def matched(self) -> Self:
        """Itself, after a run or a reconciliation that must have ended with MATCH."""
        return self.ended(0, "MATCH")


def fingerprints(report: Mapping[str, Any]) -> Fingerprints:
    """(table, scope) -> the fingerprint of its rows in the target, out of a report.

    The scope is a tuple of (column, value), sorted by column.
    """
    tables = report["tables"]
    by_table = {
        (table["table"], tuple(sorted(table["scope"].items()))): table["fingerprint_actual"]
        for table in tables
    }
    assert len(by_table) == len(tables)
    return by_table
