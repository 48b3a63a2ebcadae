"""What is asked of a reconciliation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from messy_migration.compare.budget import Budget

Form = Literal["ledger", "landed", "source"]
Repair = Literal["differing", "corrupted", "all"]


@dataclass(frozen=True)
class Asked:
    """How a target is to be reconciled.

    Attributes:
        against: `ledger`, the fingerprints that the receipts add up to; `landed`, the values
            that were read, from their landed files or their inputs; `source`, the values that
            the source has now.
        quick: only ask whether tables are untouched, by transaction ids; reads no value.
        probe: write a row into each table and roll it back.
        strict: accept no waiver, tolerance, declared loss, adopted change or warning.
        repair: put the rows right that differ: `differing`, those that are missing or changed;
            `corrupted`, of these only what others did not write since; `all`, extra rows too.
        dry_run: only say what a repair would do.
        accept_foreign: the reason for which changes of somebody else are adopted.
        anchor: the beginning of a head that the chain must hold, in place of what is anchored.
        report: write the evidence and its page.
        stop_after: differences of all tables after which nothing more is looked at, or None.
        seconds: after which the same, or None.
        show_values: list values too, not only keys, columns and rules.
    """

    against: Form = "ledger"
    quick: bool = False
    probe: bool = False
    strict: bool = False
    repair: Repair | None = None
    dry_run: bool = False
    accept_foreign: str | None = None
    anchor: str | None = None
    report: bool = False
    stop_after: int | None = None
    seconds: float | None = None
    show_values: bool = False

    def budget(self, limit: int) -> Budget:
        """How much is looked at, with so many differences of a table listed."""
        return Budget(limit, self.stop_after, self.seconds, self.show_values)

    @property
    def needs_plugins(self) -> bool:
        """It asks sources, or writes; what landed is read without the settings of a plugin."""
        return self.against == "source" or bool(self.repair or self.accept_foreign)
