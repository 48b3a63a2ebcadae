"""What has to be there before a target can be proven or told of."""

from __future__ import annotations

from pathlib import Path

from messy_migration.databases.open import Target
from messy_migration.errors import UsageProblem
from messy_migration.ledger import schema
from messy_migration.run.anchors import refuse_lost
from messy_migration.workspace import Workspace


def is_missing(target: Target) -> bool:
    """A SQLite file springs into being when it is opened; looking at one must not make it."""
    file = target.engine.url.database
    return target.dialect.name == "sqlite" and bool(file) and not Path(str(file)).exists()


def refuse_missing(workspace: Workspace) -> None:
    """Nothing can be proven in a file that is not there.

    Raises:
        UsageProblem: nothing was ever loaded.
        ProofError: there was a ledger, and it is gone.
    """
    if is_missing(workspace.target):
        refuse_lost(workspace)
        is_named = workspace.settings.origins["target"] != "default"
        raise UsageProblem(
            "the target is not there yet",
            workspace.target.label,
            "" if is_named else "no target is named, and no run in this folder has left one",
            "`migrate run`" if is_named else "name it with --target, or begin with `migrate run`",
        )


def refuse_empty(workspace: Workspace, version: str | None) -> None:
    """Nothing can be proven where nothing was loaded, or what an older program wrote.

    Raises:
        UsageProblem: the target has no ledger, or one that a run has to bring up to date.
        ProofError: there was a ledger, and it is gone.
        TargetError: a newer program wrote it.
    """
    schema.refuse_newer(version)
    if version is None:
        refuse_lost(workspace)
        raise UsageProblem(
            "nothing was ever loaded into this target",
            workspace.target.label,
            "it has no ledger",
            "`migrate run`",
        )
    if version < schema.HEAD:
        raise UsageProblem(
            "the ledger of this target is of an older version",
            workspace.target.label,
            f"it is at revision {version}, this program reads {schema.HEAD}",
            "`migrate run` brings it up to date",
        )
