"""What an auditor asks of evidence beside its figures, as far as it is known here."""

from __future__ import annotations

import hashlib
import os
import pwd
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

import messy_migration
from messy_migration.config import files as layers
from messy_migration.config import settings as configuration
from messy_migration.config.plugin_settings import declared_secrets
from messy_migration.config.shown import shown_value
from messy_migration.evidence.masking import Mask
from messy_migration.ledger import chain, stamps
from messy_migration.ledger.chain import Link
from messy_migration.ledger.keys import REKEY
from messy_migration.redaction import MASK
from messy_migration.registry import Registry
from messy_migration.workspace import Workspace

_LISTED = 10_000
_CODE = (".py", ".j2", ".css", ".toml", ".sql")


def provenance(
    connection: Connection, workspace: Workspace, mask: Mask, run_id: str = ""
) -> dict[str, Any]:
    """Who, on what, with which programs and settings, and what earlier runs left.

    Args:
        connection: that reads the target.
        workspace: of the target.
        mask: takes secrets and personal data out.
        run_id: of the run that the evidence is of; what others left in quarantine is counted.
    """
    ledger = workspace.ledger
    return {
        "for": stamps.kind(connection, ledger),
        "actor": actor(),
        "host": socket.gethostname(),
        "role": workspace.target.dialect.role(connection),
        "programs": programs(workspace.registry),
        "configuration": mask.deep(_configuration(workspace)),
        "rebases": mask.deep(_rebases(connection, workspace)),
        "waiting": _waiting(connection, workspace, run_id),
        "links": _links(chain.links(connection, ledger)),
    }


def actor() -> str:
    """Who runs this, by the operating system: a variable says what somebody likes."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # in a container the user may have no name
        return f"uid {os.geteuid()}"


def programs(registry: Registry) -> dict[str, str]:
    """SHA-256 over the code of the core and of each selected plugin, as it lies on disk."""
    digests = {"messy-migration": _code_digest(Path(messy_migration.__file__).parent)}
    for name in registry.names:
        plugin = registry.manager.get_plugin(name)
        place = getattr(plugin, "__file__", None)
        if place:
            path = Path(place)
            digests[name] = _code_digest(path.parent if path.name == "__init__.py" else path)
    return digests


@cache
def _code_digest(place: Path) -> str:
    digest = hashlib.sha256()
    files = [place] if place.is_file() else sorted(place.rglob("*"))
    for file in files:
        if file.suffix in _CODE and file.is_file():
            name = file.name if file == place else file.relative_to(place).as_posix()
            digest.update(f"{name}\n{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _configuration(workspace: Workspace) -> list[list[Any]]:
    """Each setting, its value where it is no secret, and where it came from."""
    settings = workspace.settings
    leaves = list(settings.core.model_dump(mode="json").items())
    for name in sorted({*settings.sections, *settings.core.plugins}):
        merged, _ = configuration.section(settings, name)
        leaves += layers.flattened(merged, f"{name}.")
    secrets, redactor = set(_secrets(workspace)), workspace.request.redactor
    rows = []
    for key, value in leaves:
        origin = settings.origins.get(key, "default")
        is_secret = key in secrets
        rows.append([key, MASK if is_secret else shown_value(key, value, origin, redactor), origin])
    return rows


def _secrets(workspace: Workspace) -> Iterator[str]:
    """The keys of the sections under which plugins declare secrets."""
    settings, registry = workspace.settings, workspace.registry
    for name, section in settings.sections.items():
        model = registry.call_one(name, "settings_model") if name in registry.names else None
        if model is not None:
            for place, _ in declared_secrets(section, model):
                yield ".".join((name, *(part for part in place if isinstance(part, str))))


def _rebases(connection: Connection, workspace: Workspace) -> list[dict[str, Any]]:
    """Receipts that proved a table under one format or key, and set its sum anew under another."""
    head, part = workspace.ledger.receipt, workspace.ledger.receipt_table
    query = (
        select(head.c.kind, head.c.run_id, head.c.committed_at, head.c.reason, part.c.table_name)
        .join(part, part.c.batch_id == head.c.batch_id)
        .where(head.c.kind.in_(("rebase", REKEY)))
        .order_by(head.c.seq)
        .limit(_LISTED)
    )
    return [
        {"kind": kind, "run_id": run_id, "at": at, "reason": reason or "", "table": table}
        for kind, run_id, at, reason, table in connection.execute(query)
    ]


def _waiting(connection: Connection, workspace: Workspace, run_id: str) -> list[dict[str, Any]]:
    """What earlier runs left in quarantine, and is in it still."""
    table = workspace.ledger.quarantine
    names = ("run_id", "stream", "tenant", "rule")
    columns = [table.c[name] for name in names]
    query = (
        select(*columns, func.count())
        .where(table.c.state == "open", table.c.run_id != run_id)
        .group_by(*columns)
        .order_by(*columns)
        .limit(_LISTED)
    )
    return [
        {**dict(zip(names, row[:-1], strict=True)), "entries": row[-1]}
        for row in connection.execute(query)
    ]


def _links(links: list[Link]) -> list[dict[str, Any]]:
    """The links before it of which there is evidence."""
    return [
        {
            "ordinal": link.ordinal,
            "kind": link.kind,
            "run_id": link.run_id,
            "verdict": link.verdict,
            "written_at": link.written_at,
            "evidence": link.evidence_digest,
            "head": link.head,
        }
        for link in links
        if link.evidence_digest
    ][-_LISTED:]
