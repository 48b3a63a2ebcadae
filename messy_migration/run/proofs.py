"""File what a reconciliation found: its evidence, held fast by a link of its own.

A head that evidence only quotes proves nothing of its content. So the content has a link of the
chain wherever the role may write one; else the evidence says that it has none, and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messy_migration.databases.errors import refusals
from messy_migration.errors import TargetError
from messy_migration.evidence import document, files
from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger import chain, changes
from messy_migration.ledger.audit import Audit
from messy_migration.ledger.chain import Covered, Link
from messy_migration.ledger.clock import now
from messy_migration.run.anchors import note_again
from messy_migration.run.content import (
    between,
    environment,
    folder,
    mask_of,
    masked,
    write_page,
)
from messy_migration.workspace import Workspace


@dataclass(frozen=True)
class FiledProof:
    """What was filed: the two files, and what holds the evidence fast.

    Attributes:
        evidence, page: JSON and HTML.
        link: of the chain; None where there is none.
        unlinked: why there is none; empty where there is one.
    """

    evidence: Path
    page: Path
    link: Link | None
    unlinked: str = ""

    def as_json(self) -> dict[str, Any]:
        """What `--json` says of it."""
        return {
            "state": "linked" if self.link else "unlinked",
            "link": self.link.ordinal if self.link else None,
            "head": self.link.head if self.link else "",
            "why": self.unlinked,
        }

    @property
    def line(self) -> str:
        """The same for people."""
        if self.link is None:
            return f"evidence: unlinked, no head holds it fast: {self.unlinked}"
        return f"evidence: link {self.link.ordinal}, head {self.link.head}"


def file_reconciliation(
    workspace: Workspace, facts: Mapping[str, Any], audit: Audit, key: Key | None
) -> FiledProof:
    """Write the evidence of a reconciliation and its page, and its link where that can be.

    The run lock is held. The file appears when the link is committed, so that a command that
    dies leaves no evidence whose link is nowhere.

    Args:
        workspace: of the target.
        facts: what was found, as JSON.
        audit: what the ledger was found to be.
        key: the `fingerprint_key` that the ledger is under.

    Raises:
        TargetError: the folder of the reports cannot be written.
    """
    mask, moment = mask_of(workspace), now()
    content = {
        **masked(facts, mask),
        **environment(workspace, mask),
        "schema": document.SCHEMA,
        "kind": "reconciliation",
        "masked": mask.is_on,
        "moments": {"written_at": moment},
    }
    stamp = "".join(char for char in moment[:19] if char.isdigit())
    evidence = folder(workspace) / f"reconciliation-{stamp}.json"
    link, why = None, _reason_against(audit)
    if not why:
        try:
            link, body, staged = _linked(workspace, content, audit, key, evidence)
        except TargetError as error:
            why = error.why or error.what
    if link is None:
        body = document.sealed({**content, "unlinked": mask.text(why)})
        staged = files.stage(evidence, document.text_of(body))
    evidence = files.appear(staged, evidence)
    page = write_page(evidence, body)
    if link is not None:
        note_again(workspace, audit.ledger or link.previous, link)
    return FiledProof(evidence, page, link, why)


def _reason_against(audit: Audit) -> str:
    """Why no link is written behind what is there; empty if there is no reason."""
    if audit.reasons:
        return "the ledger is not what runs have written, and nothing is added to it"
    return ""


def _check_newest(before: Link | None, audit: Audit, where: str) -> None:
    """The link goes behind the one that the verdict was given on.

    Raises:
        TargetError: another one is the newest now.
    """
    if before != audit.newest:
        raise TargetError("the chain went on while the evidence was written", where)


def _linked(
    workspace: Workspace,
    content: Mapping[str, Any],
    audit: Audit,
    key: Key | None,
    evidence: Path,
) -> tuple[Link, dict[str, Any], Path]:
    """The link, the document that it holds fast, and its file before it appears.

    Raises:
        TargetError: the link cannot be written, or others wrote one meanwhile.
    """
    target, ledger = workspace.target, workspace.ledger
    staged: Path | None = None
    try:
        with refusals(f"target {target.label}"), target.engine.begin() as connection:
            links = chain.links(connection, ledger)
            before = links[-1] if links else None
            _check_newest(before, audit, target.label)
            after = (before.last_seq, before.last_change or 0) if before else (0, 0)
            run_id = before.run_id if before else ""
            content = {**content, "links": between(links)}
            link = chain.following(
                before,
                Covered(after[0], 0, "", "", after[1], 0, ""),
                key=key,
                **({} if before else {"previous": chain.new_ledger()}),
                run_id=run_id,
                kind=chain.PROOF,
                plans_digest="",
                evidence_digest=document.digest(content),
                verdict=str(content["verdict"]),
                written_at=now(),
                state_digest=changes.state_digest(connection, ledger, run_id),
            )
            chain.append(connection, ledger, link)
            body = document.sealed(content, link)
            staged = files.stage(evidence, document.text_of(body))
    except BaseException:
        if staged is not None:
            staged.unlink(missing_ok=True)
        raise
    return link, body, staged
