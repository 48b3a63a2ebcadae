"""What the evidence of a run and that of a reconciliation have in common, masked, and the files."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from typing import Any

from messy_migration.evidence import document, files, masking, page
from messy_migration.evidence.masking import Mask
from messy_migration.ledger.chain import Link
from messy_migration.workspace import Workspace

LISTED = 20_000
"""Receipts that an evidence file lists one by one; of more it has the sums."""

MASK_KEY = Path(".migrate/mask.key")


def between(links: Sequence[Link]) -> list[dict[str, Any]]:
    """The newest links that have no evidence of their own: they lead to the one that follows."""
    bare = list(takewhile(lambda link: not link.evidence_digest, reversed(links)))[::-1]
    return [asdict(link) for link in bare[-LISTED:]]


def write_page(evidence: Path, body: Mapping[str, Any]) -> Path:
    """Write the page of a sealed document beside its evidence.

    Raises:
        TargetError: the folder of the reports cannot be written.
    """
    path = evidence.with_suffix(".html")
    # As anybody reads it later: keys in order, lists where there were tuples.
    files.write(path, page.render(json.loads(document.text_of(body))))
    return path


def folder(workspace: Workspace) -> Path:
    """Where reports are written."""
    return workspace.settings.directory / workspace.settings.core.report


def mask_of(workspace: Workspace) -> Mask:
    """What this configuration masks, under the key of this machine."""
    is_on = workspace.settings.core.report_masked
    key = masking.mask_key(workspace.settings.directory / MASK_KEY) if is_on else None
    return Mask(key, workspace.request.redactor.text)


def masked(facts: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    """With the parts cleaned that quote data, files or what somebody else's code said."""
    body = dict(facts)
    body["differences"] = [_masked_difference(entry, mask) for entry in facts["differences"]]
    body["tables"] = [{**entry, "reason": mask.text(entry["reason"])} for entry in facts["tables"]]
    body["sources"] = [_masked_source(entry, mask) for entry in facts["sources"]]
    for name in ("located", "problems", "sandbox", "notes", "allowed"):
        if name in body:
            body[name] = mask.deep(body[name])
    return body


def _masked_source(entry: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    """The names of its partitions: a plugin may make them of what it likes."""
    parts = [{**one, "partition": mask.text(one["partition"])} for one in entry["partitions"]]
    return {**entry, "partitions": parts}


def _masked_difference(entry: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    """Its key column by column; values, where somebody asked for them, likewise."""
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
