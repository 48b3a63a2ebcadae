"""File what a reconciliation found: its evidence, held fast by a link of its own.

A head that evidence only quotes proves nothing of its content. So the content has a link of the
chain wherever the role may write one; else the evidence says that it has none, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.errors import TargetError
from messy_migration.evidence import document, files
from messy_migration.evidence.place import digits
from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger import chain, changes
from messy_migration.ledger.audit import Audit
from messy_migration.ledger.chain import Covered, Link
from messy_migration.ledger.clock import now
from messy_migration.run.anchors import note_again, note_evidence
from messy_migration.run.content import (
    Sealed,
    between,
    environment,
    folder,
    mask_of,
    masked,
    seal,
)
from messy_migration.run.provenance import provenance
from messy_migration.workspace import Workspace


@dataclass(frozen=True)
class FiledProof:
    """What was filed: the two files, and what holds the evidence fast.

    Attributes:
        evidence, page: JSON and HTML.
        link: of the chain; None where there is none.
        unlinked: why there is none; empty where there is one.
        signed_by: the public key of the `signing_key`; empty where none is set.
    """

    evidence: Path
    page: Path
    link: Link | None
    unlinked: str
    signed_by: str = ""

    def as_json(self) -> dict[str, Any]:
        """What `--json` says of it."""
        unlinked = "signed" if self.signed_by else "unlinked"
        return {
            "state": "linked" if self.link else unlinked,
            "link": self.link.ordinal if self.link else None,
            "head": self.link.head if self.link else "",
            "signed_by": self.signed_by,
            "why": self.unlinked,
        }

    @property
    def line(self) -> str:
        """The same for people."""
        signed = f", signed by {self.signed_by}" if self.signed_by else ""
        if self.link is not None:
            return f"evidence: link {self.link.ordinal}, head {self.link.head}{signed}"
        return f"evidence: unlinked, no head holds it fast{signed}: {self.unlinked}"


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
        ConfigurationError: the `signing_key` cannot be used.
    """
    mask, moment = mask_of(workspace), now()
    target = workspace.target
    with (
        driver_errors_as_ours(f"target {target.label}"),
        target.dialect.reading(target.engine) as connection,
    ):
        origin = provenance(connection, workspace, mask)
    content = {
        **masked(facts, mask),
        **environment(workspace, mask),
        "provenance": origin,
        "schema": document.SCHEMA,
        "kind": "reconciliation",
        "masked": mask.is_on,
        "moments": {"written_at": moment},
    }
    signer = workspace.signer
    wanted = folder(workspace) / f"reconciliation-{digits(moment)}.json"
    filing = _Filing(workspace, content, moment, wanted)
    link, why = None, _reason_against(audit)
    if not why:
        try:
            link, sealed, staged = filing.linked(audit, key)
        except TargetError as error:
            why = mask.text(error.why or error.what)
    if link is None:
        sealed = seal({**content, "unlinked": why}, signer, moment)
        staged = files.stage(wanted, sealed.text)
    evidence = files.appear(staged, wanted)
    page = evidence.with_suffix(".html")
    files.write(page, sealed.page)
    if link is not None:
        note_again(workspace, audit.ledger or link.previous, link, evidence.name)
    else:
        note_evidence(workspace, audit.ledger, sealed.digest, evidence.name)
    return FiledProof(evidence, page, link, why, signer.public if signer else "")


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


@dataclass(frozen=True)
class _Filing:
    """Evidence on its way into its file."""

    workspace: Workspace
    content: Mapping[str, Any]
    moment: str
    wanted: Path

    def linked(self, audit: Audit, key: Key | None) -> tuple[Link, Sealed, Path]:
        """Commit the link; it, the evidence that it holds fast, and its file before it appears.

        Raises:
            TargetError: the link cannot be written, or others wrote one meanwhile.
        """
        target, ledger = self.workspace.target, self.workspace.ledger
        staged: Path | None = None
        try:
            with (
                driver_errors_as_ours(f"target {target.label}"),
                target.engine.begin() as connection,
            ):
                links = chain.links(connection, ledger)
                before = links[-1] if links else None
                _check_newest(before, audit, target.label)
                run_id = before.run_id if before else ""
                state = changes.state_digest(connection, ledger, run_id)
                link_for = _links_behind(before, run_id, self, state, key)
                content = {**self.content, "links": between(links)}
                sealed = seal(content, self.workspace.signer, self.moment, link_for)
                link = link_for(sealed.digest)
                chain.append(connection, ledger, link)
                staged = files.stage(self.wanted, sealed.text)
        except BaseException:
            if staged is not None:
                staged.unlink(missing_ok=True)
            raise
        return link, sealed, staged


def _links_behind(
    before: Link | None, run_id: str, filing: _Filing, state_digest: str, key: Key | None
) -> Callable[[str], Link]:
    """What makes the link behind another one that holds a digest of evidence fast."""
    after = (before.last_seq, before.last_change or 0) if before else (0, 0)
    name = {} if before else {"previous": chain.new_ledger()}

    def link_for(digest: str) -> Link:
        return chain.following(
            before,
            Covered(after[0], 0, "", "", after[1], 0, ""),
            key=key,
            **name,
            run_id=run_id,
            kind=chain.PROOF,
            plans_digest="",
            evidence_digest=digest,
            verdict=str(filing.content["verdict"]),
            written_at=filing.moment,
            state_digest=state_digest,
        )

    return link_for
