"""An entry names the act of another program, and the verdict that each form must give.

An entry is read like a sentence: the act, the kinds of database on which it is done, the word.
The word holds for every form that reads values; `but` names a form in which another is right,
because it claims something else: `quick` asks who wrote the rows, `between` knows no ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

POSTGRESQL, SQLITE, MARIADB, DUCKDB = "postgresql", "sqlite", "mariadb", "duckdb"
TARGETS = (POSTGRESQL, SQLITE)

MATCH, MISMATCH, UNKNOWN = "MATCH", "MISMATCH", "UNKNOWN"
UNTOUCHED, TOUCHED = "UNTOUCHED", "TOUCHED"
GOOD = (MATCH, UNTOUCHED)
REFUSED = "REFUSED"
"""A command said in one line why it does nothing, and ended with the exit code of its error."""
ERROR_6 = "REFUSED 6"
"""The same where the target is at fault; without a number it is a proof that was refused, 8."""

LEDGER, LANDED, SOURCE, QUICK, BETWEEN, RUN, CLOSING = (
    *("ledger", "landed", "source", "quick", "between", "run", "closing"),
)
FORMS = (LEDGER, LANDED, SOURCE, QUICK, BETWEEN, RUN, CLOSING)
"""In the order in which they are tried.

`ledger`, `landed`, `source`: what the target is held against. `quick`: transaction ids alone.
`between`: held against a copy of before, with no ledger. `run`: the next run, which brings new
rows. `closing`: the act comes between the last commit of a run and the proof at its end.
"""
BY_VALUE = (LEDGER, LANDED, SOURCE, BETWEEN)
"""Forms that name rows and columns."""

Act: TypeAlias = Callable | tuple[str, ...] | str
"""Statements, or a function of the site. In statements `$ledger.` stands before a table of the
ledger, `$database` for the database and `$guest` for the role that owns nothing."""


@dataclass(frozen=True)
class Entry:
    """One attack or accident.

    Attributes:
        id: unique, and part of the test's name.
        tells: who does what, in one sentence.
        acts: kind of database -> how it is done there.
        word: the verdict of the forms that read values.
        rows: what these must name, and nothing else: "orders 7 total" for a changed cell,
            "orders 7 missing", "orders 666 extra"; empty where nothing is to be named.
        says: words that must stand beside the verdict in every form that is no MATCH, or in
            those that are, where the word is MATCH.
        but: form -> its word, where another one is right: "UNKNOWN" (exit code 8), "REFUSED 6",
            or several, of which one has to be said: "TOUCHED|UNKNOWN".
        why_but: why that is right.
        forms: those in which it is tried.
        as_guest: the commands log in as a role that owns nothing.
        after: a query -> what it must give once all forms were tried.
        is_open: why the product does not give this word yet; empty where it does. The entry is
            expected to fail, and is told of in the table.
        is_sampled: part of every run of the suite, not only of the sweep.
    """

    id: str
    tells: str
    acts: Mapping[str, Act]
    word: str
    rows: tuple[str, ...] = ()
    says: str = ""
    but: Mapping[str, str] = field(default_factory=dict)
    why_but: str = ""
    forms: tuple[str, ...] = FORMS
    as_guest: bool = False
    after: tuple[str, object] | None = None
    is_open: str = ""
    is_sampled: bool = False

    def right(self, form: str) -> set[tuple[str, int]]:
        """The word that a form must give, with its exit code; more than one where two may be."""
        text = self.but.get(form) or _OWN.get(form, {}).get(self.word, self.word)
        words = [one.partition(" ") for one in text.split("|")]
        return {(word, int(code or (0 if word in GOOD else 8))) for word, _, code in words}

    def forms_of(self, kind: str) -> tuple[str, ...]:
        """The forms that there are for a kind of database."""
        if kind not in TARGETS:
            return tuple(form for form in self.forms if form == BETWEEN)
        return tuple(form for form in self.forms if form != QUICK or kind == POSTGRESQL)


_OWN = {
    QUICK: {MATCH: UNTOUCHED, MISMATCH: TOUCHED},
    RUN: {MISMATCH: REFUSED, UNKNOWN: REFUSED},
}


def on(*kinds: str, act: Act) -> dict[str, Act]:
    """The same act on several kinds of database."""
    return dict.fromkeys(kinds, act)


def everywhere(*statements: str) -> dict[str, Act]:
    """The same statements on every kind."""
    return dict.fromkeys((POSTGRESQL, SQLITE, MARIADB, DUCKDB), statements)


def on_targets(*statements: str) -> dict[str, Act]:
    """The same statements on every kind that can be loaded."""
    return dict.fromkeys(TARGETS, statements)


def postgresql(*statements: str) -> dict[str, Act]:
    """Statements for PostgreSQL alone."""
    return {POSTGRESQL: statements}


def sqlite(*statements: str) -> dict[str, Act]:
    """Statements for SQLite alone."""
    return {SQLITE: statements}


def mariadb(*statements: str) -> dict[str, Act]:
    """Statements for MariaDB alone."""
    return {MARIADB: statements}


def duckdb(*statements: str) -> dict[str, Act]:
    """Statements for DuckDB alone."""
    return {DUCKDB: statements}
