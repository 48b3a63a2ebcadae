"""What one run is asked to do, beside its settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from messy_migration.config.heads import given_head
from messy_migration.errors import UsageProblem

SEED = 7
"""A sandbox has this seed where nobody names another."""


@dataclass(frozen=True)
class RunOptions:
    """What one run is asked to do, beside its settings.

    Attributes:
        selection: patterns of stream names; empty for all.
        tenants: the tenants to read; empty for all.
        accept_foreign: the reason for which changes of somebody else are adopted.
        since: begin here, whatever the bookmarks say.
        sandbox: read the plugins' sandboxes instead of their sources, with this seed.
        engine: name of a plugin's executor to work on, or None for processes of this machine.
        anchor: the beginning of a head that the chain must hold, in place of what is anchored.
        final: the last run before people move: create the foreign keys, then hold every value
            against the sources as they are then, and accept nothing that `--strict` does not.
        rotate_key: read nothing; prove all tables, and sum them anew under the key that is set.
        lost_key: the reason for which the key before it is not at hand, and does without proof.
        is_restart: resume nothing: read everything again, and merge it by its keys.
    """

    selection: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    accept_foreign: str | None = None
    since: datetime | None = None
    sandbox: int | None = None
    engine: str | None = None
    anchor: str | None = None
    final: bool = False
    rotate_key: bool = False
    lost_key: str | None = None
    is_restart: bool = False

    def __post_init__(self) -> None:
        """Refuse what means nothing: one text for several, no zone, no head, half of a final run.

        Raises:
            UsageProblem: it is one.
        """
        given_head(self.anchor)
        for name in ("selection", "tenants"):
            if isinstance(getattr(self, name), str):
                raise UsageProblem(f"{name} is a tuple of texts, and not one text")
        if self.since is not None and self.since.tzinfo is None:
            raise UsageProblem("since has no time zone", why="it is held against instants")
        if self.final and (self.since or self.selection or self.tenants):
            raise UsageProblem(
                "a final run reads everything, so no choice of streams goes with it",
                next="`migrate run --final`",
            )
