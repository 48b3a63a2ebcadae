"""The chain of a target and the heads that were written down beside the configuration."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from messy_migration.errors import ProofError
from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger import anchors, chain, changes, fence, known_tables
from messy_migration.ledger.anchors import EVIDENCE, Anchor
from messy_migration.ledger.audit import Audit, audit
from messy_migration.ledger.chain import Link
from messy_migration.ledger.clock import now
from messy_migration.ledger.lanes import Signature
from messy_migration.ledger.pending import torn
from messy_migration.ledger.runs import short
from messy_migration.workspace import Workspace

if TYPE_CHECKING:
    from messy_migration.run.state import RunState

ANCHORS = Path(".migrate/anchors")
"""Beside migrate.toml; the folder may be deleted, and then nothing is anchored here."""

_LISTED = 3
_log = logging.getLogger(__name__)


def anchors_path(workspace: Workspace) -> Path:
    """Where heads are written down."""
    return workspace.settings.directory / ANCHORS


def known(workspace: Workspace) -> list[Anchor]:
    """The heads of this target that were written down here, oldest first."""
    target = anchors.identity(workspace.target.engine.url)
    heads = (one for one in anchors.read(anchors_path(workspace)) if one.kind != EVIDENCE)
    return [one for one in heads if one.target == target]


def audited(
    workspace: Workspace,
    connection: Connection,
    head: str | None,
    *,
    full: bool,
    ours: str = "",
    key: Key | None = None,
) -> Audit:
    """Hold the ledger against its chain, that against an anchor, and both against the key."""
    heads = known(workspace) or _under_another_name(workspace, connection)
    return audit(connection, workspace.ledger, heads, head, full=full, ours=ours, key=key)


def _under_another_name(workspace: Workspace, connection: Connection) -> list[Anchor]:
    """The heads of this ledger that were written down under another spelling of the target.

    `localhost` is 127.0.0.1, and a copy is no other ledger either.
    """
    kept = [one for one in anchors.read(anchors_path(workspace)) if one.ordinal]
    names = {link.previous for link in chain.links(connection, workspace.ledger)[:1]}
    return [one for one in kept if one.ledger in names]


def note(workspace: Workspace, ledger: str, link: Link, file: str = "") -> None:
    """Write the newest head down once; where that cannot be, the run is no less right.

    Args:
        workspace: of the target.
        ledger: `previous` of its first link.
        link: the newest one.
        file: the name of the evidence that it holds fast.
    """
    before = known(workspace)
    if before and (before[-1].ledger, before[-1].head) == (ledger, link.head):
        return
    _append(
        workspace,
        _anchor(
            workspace,
            ledger=ledger,
            ordinal=link.ordinal,
            head=link.head,
            run_id=link.run_id,
            kind=link.kind,
            evidence=link.evidence_digest,
            file=file,
        ),
    )


def note_again(workspace: Workspace, ledger: str, link: Link, file: str = "") -> None:
    """The same for a command that only reads: it makes no folder where nobody keeps a profile."""
    if _is_kept(workspace):
        note(workspace, ledger, link, file)


def note_evidence(workspace: Workspace, ledger: str, digest: str, file: str) -> None:
    """Write down evidence that no link holds fast, so that it is known here all the same."""
    if _is_kept(workspace):
        anchor = _anchor(
            workspace,
            ledger=ledger,
            ordinal=0,
            head="",
            run_id="",
            kind=EVIDENCE,
            evidence=digest,
            file=file,
        )
        _append(workspace, anchor)


def _is_kept(workspace: Workspace) -> bool:
    return workspace.settings.config is not None or anchors_path(workspace).exists()


def _anchor(workspace: Workspace, **values: Any) -> Anchor:
    target = workspace.target
    return Anchor(anchors.identity(target.engine.url), target.label, at=now(), **values)


def _append(workspace: Workspace, anchor: Anchor) -> None:
    path, signer = anchors_path(workspace), workspace.signer
    if signer is not None:
        signature = signer.sign("anchor", anchor.signed_values, anchor.at)
        anchor = replace(anchor, key=signature.key, signature=signature.value)
    try:
        anchors.append(path, anchor)
    except OSError as error:
        _log.warning("the head of the chain is not anchored in %s: %s", path, error.strerror)


def begin_anew(workspace: Workspace) -> None:
    """Forget the anchored heads of an earlier ledger: this target has none any more."""
    before = known(workspace)
    if not before or not before[-1].ordinal:
        return
    _log.warning(
        "another ledger was here, up to link %s (run %s); it is gone, and a new chain begins",
        before[-1].ordinal,
        short(before[-1].run_id),
    )
    run_id = before[-1].run_id
    _append(workspace, _anchor(workspace, ledger="", ordinal=0, head="", run_id=run_id))


def torn_lanes(state: RunState) -> ProofError | None:
    """The ledger is not what the processes of this run have sent; None if it is.

    A trigger or a rule on the ledger changes a receipt on its way, and whoever reads it back
    afterwards takes it for what was written.
    """
    target, ledger = state.workspace.target, state.workspace.ledger
    with target.dialect.reading(target.engine) as connection:
        links = chain.links(connection, ledger)
        reasons = torn(connection, ledger, links, {**state.told, **state.lane.heads})
    if not reasons:
        return None
    return ProofError(
        "the ledger does not hold what this run has written",
        target.label,
        "; ".join(reasons[:_LISTED]),
        "look for triggers and rules on tables of the ledger; nothing that it says is proven",
    )


def check_ledger(state: RunState) -> None:
    """What earlier runs committed is what they committed, before anything is added to it.

    Raises:
        ProofError: rows of the ledger were changed, or ledger and data were set back.
    """
    workspace = state.workspace
    if state.is_new_ledger:
        return
    with workspace.target.engine.begin() as connection:
        head, ours = state.options.anchor, state.lane.name
        # All of it has to stand under a key before another one takes its place.
        full, key = state.options.rotate_key, state.key
        state.audit = audited(workspace, connection, head, full=full, ours=ours, key=key)
    if state.audit.reasons:
        raise broken_ledger_error(workspace, state.audit)
    for line in state.audit.words:
        _log.warning("the ledger: %s", line)


def refuse_lost(workspace: Workspace) -> None:
    """Refuse a target that has no ledger, and had one that is anchored here.

    Raises:
        ProofError: it is gone.
    """
    before = known(workspace)
    if before and before[-1].ordinal:
        raise ProofError(
            "the ledger is gone",
            workspace.target.label,
            f"link {before[-1].ordinal} (run {short(before[-1].run_id)}) was anchored here on "
            f"{before[-1].at[:19]}Z",
            "if the target was moved, name it with --target; else restore ledger and data together,"
            " or begin anew with `migrate run`",
        )


def broken_ledger_error(workspace: Workspace, ledger_audit: Audit) -> ProofError:
    """The error that says what is wrong with a ledger, and what can be done."""
    return ProofError(
        "the ledger is not what runs have written",
        workspace.target.label,
        "; ".join(ledger_audit.reasons[:3]) + ("; ..." if len(ledger_audit.reasons) > 3 else ""),
        "restore ledger and data together; if an older state was restored on purpose, give its "
        "head with --anchor HEAD",
    )


def start_chain(
    connection: Connection, workspace: Workspace, signature: Signature, head: str | None
) -> None:
    """Seal what an older program left in this ledger, which says nothing of how it came there.

    Raises:
        ProofError: the chain of that program does not hold what is there.
    """
    ledger = workspace.ledger
    before = chain.newest(connection, ledger)
    if before is not None:
        ledger_audit = audited(workspace, connection, head, full=False)
        if ledger_audit.reasons:
            raise broken_ledger_error(workspace, ledger_audit)
    fence.raise_epoch(connection, ledger)
    dialect = workspace.target.dialect
    changes.start(connection, ledger, signature)
    for state in known_tables.all_states(connection, ledger).values():
        identity = dialect.identity(connection, state.table)
        known_tables.identify(connection, ledger, signature, state.table, identity)
    held = chain.covered(connection, ledger, before)
    if not held.receipts and not held.changes:
        return
    link = chain.following(
        before,
        held,
        key=None,
        **({} if before else {"previous": chain.new_ledger()}),
        run_id=signature.run_id,
        kind="adopted",
        plans_digest="",
        evidence_digest="",
        verdict="UNKNOWN",
        written_at=now(),
        state_digest=changes.state_digest(connection, ledger, ""),
    )
    chain.append(connection, ledger, link)
