"""What the evidence of a run and that of a reconciliation have in common, masked, and the files."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from messy_migration.evidence import document, masking, page
from messy_migration.evidence.masking import Mask
from messy_migration.fingerprint.signing import Signer
from messy_migration.ledger.chain import Link
from messy_migration.workspace import Workspace

LISTED = 20_000
"""Receipts that an evidence file lists one by one; of more it has the sums."""

MASK_KEY = Path(".migrate/mask.key")


def between(links: Sequence[Link]) -> list[dict[str, Any]]:
    """The newest links that have no evidence of their own: they lead to the one that follows."""
    bare = list(takewhile(lambda link: not link.evidence_digest, reversed(links)))[::-1]
    return [asdict(link) for link in bare[-LISTED:]]


@dataclass(frozen=True)
class Sealed:
    """Evidence that is ready to be written.

    Attributes:
        digest: of its content.
        text, page: of its two files.
    """

    digest: str
    text: str
    page: str


def seal(
    content: Mapping[str, Any],
    signer: Signer | None,
    at: str,
    link_for: Callable[[str], Link] | None = None,
) -> Sealed:
    """Render the page, seal the content with the digest of it, link and sign it.

    Args:
        content: of the evidence.
        signer: the `signing_key`, if one is set.
        at: when it is signed.
        link_for: makes the link that holds a digest of evidence fast; None for no link.
    """
    draft: dict[str, Any] = {**content, "digest": ""}
    if link_for:
        draft["chain"] = asdict(link_for(""))
    if signer:
        draft["signature"] = {"key": signer.public, "at": at, "value": ""}
    # As anybody reads it later: keys in order, lists where there were tuples.
    blank = page.blank(json.loads(document.text_of(draft)))
    facts = {"renderer": page.renderer(), "sha256": page.sha256(blank)}
    content = {**content, "page": facts}
    link = link_for(document.digest(content)) if link_for else None
    body = document.sealed(content, link, signer, at)
    return Sealed(body["digest"], document.text_of(body), page.filled(blank, body))


def folder(workspace: Workspace) -> Path:
    """Where reports are written."""
    return workspace.settings.directory / workspace.settings.core.report


def mask_of(workspace: Workspace) -> Mask:
    """What this configuration masks, under the key of this machine."""
    is_on = workspace.settings.core.report_masked
    key = masking.mask_key(workspace.settings.directory / MASK_KEY) if is_on else None
    return Mask(key, workspace.request.redactor.text)


def masked(facts: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    """The content, with the parts masked that quote data, files or the words of plugins."""
    body = dict(facts)
    body["differences"] = [_masked_difference(entry, mask) for entry in facts["differences"]]
    body["tables"] = [{**entry, "reason": mask.text(entry["reason"])} for entry in facts["tables"]]
    body["sources"] = [_masked_source(entry, mask) for entry in facts["sources"]]
    for name in ("located", "problems", "sandbox", "notes", "allowed", "loaded_before"):
        if name in body:
            body[name] = mask.deep(body[name])
    return body


def _masked_source(entry: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    """The names of its partitions: a plugin may make them of what it likes."""
    parts = [{**one, "partition": mask.text(one["partition"])} for one in entry["partitions"]]
    return {**entry, "partitions": parts}


def _masked_difference(entry: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    """Mask the key column by column, and the values likewise where somebody asked for them."""
    key = {name: mask.value(name, value) for name, value in entry["key"].items()}
    values = {
        column: {side: mask.value(column, value) for side, value in pair.items()}
        for column, pair in entry.get("values", {}).items()
    }
    return {**entry, "key": key, **({"values": values} if values else {})}


def environment(workspace: Workspace, mask: Mask) -> dict[str, Any]:
    """With which command, and on what it ran."""
    command = shlex.join(["migrate", *workspace.request.command])
    return {
        "command": mask.text(command) if workspace.request.command else "",
        "environment": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "dialect": workspace.target.dialect.name,
        },
    }
