"""What is asked of a reconciliation."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

from messy_migration.compare.budget import Budget
from messy_migration.config.heads import given_head
from messy_migration.errors import UsageProblem

Form = Literal["ledger", "landed", "source"]
Repair = Literal["differing", "corrupted", "all"]


@dataclass(frozen=True)
class ReconcileOptions:
    """How a target is to be reconciled.

    Attributes:
        against: `ledger`, the fingerprints that the receipts add up to; `landed`, the values
            that were read, from their landed files or their inputs; `source`, the values that
            the source has now.
        quick: only ask whether tables are untouched, by transaction ids; reads no value.
        probe: write a row into each table and roll it back.
        strict: accept no waiver, tolerance, declared loss, adopted change or warning.
        repair: put the rows right that differ: `differing`, those that are missing or changed;
            `corrupted`, of these only rows that the load is known to have written last, never
            one that is gone; `all`, extra rows too.
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

    def __post_init__(self) -> None:
        """Refuse what is no form, and what means nothing together.

        Raises:
            UsageProblem: it is.
        """
        for name, value, forms in (
            ("against", self.against, get_args(Form)),
            ("repair", self.repair, (None, *get_args(Repair))),
        ):
            if value not in forms:
                choices = ", ".join(filter(None, forms))
                raise UsageProblem(f"{name}={value!r} is no form of it", why=f"there are {choices}")
        given_head(self.anchor)
        names = {field.name for field in fields(self) if getattr(self, field.name) != field.default}
        if self.quick and names - {"quick", "anchor"}:
            raise UsageProblem(
                "--quick reads no values, so it goes with no other form",
                next="`migrate reconcile`, without --quick",
            )
        if (self.stop_after or self.seconds) and (self.repair or self.accept_foreign):
            raise UsageProblem(
                "--repair and --accept-foreign have to look at everything, so neither goes with"
                " --stop-after or --seconds"
            )
        if self.dry_run and not self.repair:
            raise UsageProblem("--dry-run says what --repair would do", next="add --repair")
        if self.repair and (self.accept_foreign or self.against != "ledger"):
            raise UsageProblem(
                "--repair puts rows right by what was read; it goes with neither --against nor"
                " --accept-foreign"
            )

    def budget(self, limit: int) -> Budget:
        """How much is looked at, with so many differences of a table listed."""
        return Budget(limit, self.stop_after, self.seconds, self.show_values)

    @property
    def needs_plugins(self) -> bool:
        """It asks sources, or writes; what landed is read without the settings of a plugin."""
        return self.against == "source" or bool(self.repair or self.accept_foreign)
