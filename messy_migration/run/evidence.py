"""File what a run did: one document, held fast by a link of the chain, and a page of it."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from messy_migration.evidence import document, files, masking, page
from messy_migration.evidence.masking import Mask
from messy_migration.ledger import chain, changes, receipts
from messy_migration.ledger.chain import Link, Row
from messy_migration.ledger.clock import now
from messy_migration.ledger.completeness import COUNTED
from messy_migration.ledger.known_tables import all_states
from messy_migration.ledger.runs import short
from messy_migration.model import Fingerprint
from messy_migration.run.as_json import run_object
from messy_migration.run.outcome import Outcome
from messy_migration.run.state import RunState
from messy_migration.workspace import Workspace

LISTED = 20_000
"""Receipts that an evidence file lists one by one; of more it has the sums."""

MASK_KEY = Path(".migrate/mask.key")


@dataclass(frozen=True)
class Filed:
    """What was filed: the link, the name of its ledger, and the two files."""

    link: Link
    ledger: str
    evidence: Path
    page: Path


def evidence_path(connection: Connection, state: RunState) -> Path:
    """Where the evidence of a run belongs; each time that it ends it leaves another file."""
    run_id = state.run.run_id
    links = chain.links(connection, state.workspace.ledger)
    attempt = 1 + sum(link.run_id == run_id and link.kind == "run" for link in links)
    suffix = f"-{attempt}" if attempt > 1 else ""
    return _folder(state.workspace) / f"migration-{short(run_id)}{suffix}.json"


def file_run(
    connection: Connection,
    state: RunState,
    outcome: Outcome,
    moments: Mapping[str, str],
    evidence: Path,
) -> Filed:
    """Write the evidence of a run and its page, and add its link to the chain.

    Args:
        connection: the one that closes the run; the caller commits, and only then all of it
            counts. Until then a run that begins again replaces the files.
        state: of the run, whose row in the ledger is as the link is to hold it fast.
        outcome: how it ended.
        moments: name -> time in UTC, of what the ledger does not know.
        evidence: where the file is written.

    Raises:
        TargetError: the folder of the reports cannot be written.
    """
    workspace, ledger = state.workspace, state.workspace.ledger
    links = chain.links(connection, ledger)
    before = links[-1] if links else None
    between = list(takewhile(lambda link: link.kind == "lanes", reversed(links)))[::-1]
    name = links[0].previous if links else chain.new_ledger()
    rows = _receipts(connection, state, before.last_seq if before else 0)
    planned = chain.plans(connection, ledger, state.run.run_id)
    held = chain.covered(connection, ledger, before)
    content = {
        **_content(connection, state, outcome, _mask(workspace)),
        "moments": {**moments, "started_at": state.run.started_at, "written_at": now()},
        "ledger": _audit(state, name, before),
        "planned": planned,
        "links": [asdict(link) for link in between[-LISTED:]],
        "receipts": {
            "columns": ["seq", *chain.RECEIPT, "reason_digest", "tables"],
            "table_columns": list(chain.PART),
            "after": before.last_seq if before else 0,
            "rows": rows if len(rows) <= LISTED else [],
            "are_listed": len(rows) <= LISTED,
        },
        "sums": _sums(connection, state, outcome, rows, before.last_seq if before else 0),
        "carried": _carried(outcome, rows, before.last_seq if before else 0),
    }
    link = chain.following(
        before,
        held,
        key=state.key,
        **({} if before else {"previous": name}),
        run_id=state.run.run_id,
        kind="run",
        plans_digest=chain.plans_digest(planned),
        evidence_digest=document.digest(content),
        verdict=outcome.verdict,
        written_at=now(),
        state_digest=changes.state_digest(connection, ledger, state.run.run_id),
    )
    _write(evidence, document.sealed(content, link))
    chain.append(connection, ledger, link)
    return Filed(link, name, evidence, evidence.with_suffix(".html"))


def file_reconciliation(workspace: Workspace, content: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write the evidence of a reconciliation and its page: (JSON, HTML).

    Raises:
        TargetError: the folder of the reports cannot be written.
    """
    mask = _mask(workspace)
    moment = now()
    body = {
        **_masked(content, mask),
        **_environment(workspace, mask),
        "schema": document.SCHEMA,
        "kind": "reconciliation",
        "masked": mask.is_on,
        "moments": {"written_at": moment},
    }
    stamp = "".join(char for char in moment[:19] if char.isdigit())
    evidence = _folder(workspace) / f"reconciliation-{stamp}.json"
    _write(evidence, document.sealed(body))
    return evidence, evidence.with_suffix(".html")


def _write(evidence: Path, body: Mapping[str, Any]) -> None:
    text = document.text_of(body)
    files.write(evidence, text)
    # As anybody reads it later: keys in order, lists where there were tuples.
    files.write(evidence.with_suffix(".html"), page.render(json.loads(text)))


def _folder(workspace: Workspace) -> Path:
    return workspace.settings.directory / workspace.settings.core.report


def _mask(workspace: Workspace) -> Mask:
    is_on = workspace.settings.core.report_masked
    key = masking.mask_key(workspace.settings.directory / MASK_KEY) if is_on else None
    return Mask(key, workspace.request.redactor.text)


def _content(
    connection: Connection, state: RunState, outcome: Outcome, mask: Mask
) -> dict[str, Any]:
    run, workspace = state.run, state.workspace
    body = run_object(outcome)
    for name in ("report", "report_page", "chain"):
        body.pop(name, None)
    return {
        **_masked(body, mask),
        **_environment(workspace, mask),
        "schema": document.SCHEMA,
        "kind": "run",
        "masked": mask.is_on,
        "run": {
            "profile": run.profile,
            "plugins": list(run.plugins),
            "selection": list(run.selection),
            "options": mask.deep(dict(run.options)),
            "versions": dict(run.versions),
            "host": run.host,
            "actor": run.actor,
            "configuration_digest": workspace.settings.digest,
        },
        "adopted": mask.deep(_adopted(connection, workspace, outcome)),
        "assumed": sorted({line for plan in state.plans for line in plan.stream.assumed}),
        "inputs": [
            {
                "stream": plan.stream.name,
                "tenant": plan.stream.tenant,
                "plan_id": plan.plan_id,
                "partition": mask.text(part.name),
                "bounds": mask.deep(dict(part.bounds)),
                "records": None if part.estimated else part.records,
                "until": part.until,
                "digest": part.digest,
                "state": stage,
            }
            for plan in state.plans
            for stage, parts in (("read", plan.partitions), ("skipped", plan.skipped))
            for part in parts
        ],
    }


def _masked(run_body: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    """With the parts cleaned that quote data, files or what somebody else's code said."""
    body = dict(run_body)
    body["differences"] = [_masked_difference(entry, mask) for entry in run_body["differences"]]
    body["tables"] = [
        {**entry, "reason": mask.text(entry["reason"])} for entry in run_body["tables"]
    ]
    body["sources"] = [_masked_source(entry, mask) for entry in run_body["sources"]]
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


def _environment(workspace: Workspace, mask: Mask) -> dict[str, Any]:
    command = shlex.join(["migrate", *workspace.request.command])
    return {
        "command": mask.text(command) if workspace.request.command else "",
        "environment": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "dialect": workspace.target.dialect.name,
        },
    }


def _adopted(
    connection: Connection, workspace: Workspace, outcome: Outcome
) -> list[dict[str, Any]]:
    """Changes of somebody else that the expected figures include, and why they were adopted."""
    ledger = workspace.ledger
    return [
        {"table": verdict.table, "scope": dict(verdict.scope), "reason": reason}
        for verdict in outcome.proof.verdicts
        for reason in receipts.reasons(connection, ledger, "foreign", verdict.table, verdict.scope)
    ]


def _audit(state: RunState, name: str, before: Link | None) -> dict[str, Any]:
    """What the chain was found to be when the run began."""
    audit = state.audit
    words = audit.anchor if audit else "a new ledger: its chain begins with this run"
    return {
        "id": name,
        "links": before.ordinal if before else 0,
        "anchor": words,
        "is_anchored": audit.is_anchored if audit else True,
        "is_full": bool(audit and audit.is_full),
        "unsealed": audit.unsealed if audit else 0,
        "notes": list(audit.words) if audit else [],
    }


def _receipts(connection: Connection, state: RunState, after: int) -> list[Row]:
    """What the link covers, behind what this run committed before an earlier link."""
    ledger = state.workspace.ledger
    first = chain.first_of(connection, ledger, state.run.run_id)
    own = chain.RECEIPT.index("run_id") + 1
    earlier: Iterator[Row] = (
        row
        for row in chain.receipts(connection, ledger, first - 1, after)
        if row[own] == state.run.run_id
    )
    return [*(earlier if first <= after else ()), *chain.receipts(connection, ledger, after)]


def _sums(
    connection: Connection, state: RunState, outcome: Outcome, rows: Sequence[Row], after: int
) -> list[dict[str, Any]]:
    """Of each table: under which format it is proven, and what earlier links brought."""
    states = all_states(connection, state.workspace.ledger)
    added: dict[tuple[str, str, str], Fingerprint] = {}
    for row in rows:
        for part in row[-1] if int(str(row[0])) > after else ():  # type: ignore[attr-defined]
            values = dict(zip(chain.PART, part, strict=True))
            key = (values["table_name"], values["scope"], values["format_id"])
            net = Fingerprint.of(values["net_rows"], values["net_lanes"])
            added[key] = added.get(key, Fingerprint()) + net
    entries = []
    for verdict in outcome.proof.verdicts:
        format_id = states[verdict.table, verdict.scope].format_id
        key = (verdict.table, receipts.scope_text(verdict.scope), format_id)
        carried = verdict.expected - added.get(key, Fingerprint())
        entries.append(
            {
                "table": verdict.table,
                "scope": dict(verdict.scope),
                "format_id": format_id,
                "carried_rows": carried.rows,
                "carried_lanes": carried.lanes,
            }
        )
    return entries


def _carried(outcome: Outcome, rows: Sequence[Row], after: int) -> list[dict[str, Any]]:
    """Of each stream: the counts that stand and are not those of the receipts since the last link.

    They are below zero where an input of an earlier link was read again with other content.
    """
    names = ["seq", *chain.RECEIPT]
    counts = {(one.stream, one.tenant): one.as_dict() for one in outcome.proof.completeness}
    for row in rows:
        receipt = dict(zip(names, row, strict=False))
        counted = counts.get((str(receipt["stream"]), str(receipt["tenant"])))
        if counted and int(str(receipt["seq"])) > after:
            for name in COUNTED:
                counted[name] -= receipt[name]
    return [
        {name: counted[name] for name in ("stream", "tenant", *COUNTED)}
        for counted in counts.values()
    ]


def with_files(outcome: Outcome, filed: Filed) -> Outcome:
    """The outcome that knows where its evidence is."""
    return replace(
        outcome,
        report=str(filed.evidence),
        report_page=str(filed.page),
        head=filed.link.head,
        link=filed.link.ordinal,
    )
