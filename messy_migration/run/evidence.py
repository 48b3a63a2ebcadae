"""File what a run did: one document, held fast by a link of the chain, and a page of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from messy_migration.errors import MigrationError
from messy_migration.evidence import document, files
from messy_migration.evidence.masking import Mask
from messy_migration.ledger import chain, changes, receipts
from messy_migration.ledger.chain import Link, Row
from messy_migration.ledger.clock import now
from messy_migration.ledger.completeness import COUNTED
from messy_migration.ledger.known_tables import all_states
from messy_migration.ledger.runs import short
from messy_migration.model import Fingerprint
from messy_migration.run.as_json import run_object
from messy_migration.run.content import (
    LISTED,
    between,
    environment,
    folder,
    mask_of,
    masked,
    seal,
)
from messy_migration.run.outcome import Outcome
from messy_migration.run.provenance import provenance
from messy_migration.run.state import RunState
from messy_migration.workspace import Workspace


@dataclass(frozen=True)
class Filed:
    """What was filed: the link, the name of its ledger, and the two files."""

    link: Link
    ledger: str
    evidence: Path
    page: Path


def evidence_path(connection: Connection, state: RunState) -> Path:
    """Where the evidence of a run belongs; each time that it ends it leaves another file.

    Only what an attempt to close the run wrote, and no link came of, is written over.
    """
    run_id = state.run.run_id
    links = chain.links(connection, state.workspace.ledger)
    heads = {link.head for link in links}
    attempt = 1 + sum(link.run_id == run_id and link.kind == "run" for link in links)
    for number in count(attempt):
        suffix = f"-{number}" if number > 1 else ""
        path = folder(state.workspace) / f"migration-{short(run_id)}{suffix}.json"
        if not path.exists() or _came_to_nothing(path, run_id, heads):
            return path
    raise AssertionError


def _came_to_nothing(path: Path, run_id: str, heads: Collection[str]) -> bool:
    """Whether a file is evidence of this run whose link was never committed."""
    try:
        written, _ = document.read(path)
        return written["run_id"] == run_id and written["chain"]["head"] not in heads
    except (MigrationError, KeyError, TypeError):
        return False


def write_evidence(
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
    name = links[0].previous if links else chain.new_ledger()
    after = before.last_seq if before else 0
    rows = _receipts(connection, state, after)
    planned = chain.plans(connection, ledger, state.run.run_id)
    content = {
        **_content(connection, state, outcome, mask_of(workspace)),
        "moments": {**moments, "started_at": state.run.started_at, "written_at": now()},
        "ledger": _audit(state, name, before),
        "planned": planned,
        "links": between(links),
        "receipts": _listed(rows, after),
        "sums": _sums(connection, state, outcome, rows, after),
        "carried": _carried(outcome, rows, after),
    }
    link_for = _links_behind(connection, state, outcome.verdict, before, name)
    sealed = seal(content, workspace.signer, now(), link_for)
    page = evidence.with_suffix(".html")
    files.write(evidence, sealed.text)
    files.write(page, sealed.page)
    link = link_for(sealed.digest)
    chain.append(connection, ledger, link)
    return Filed(link, name, evidence, page)


def _links_behind(
    connection: Connection, state: RunState, verdict: str, before: Link | None, name: str
) -> Callable[[str], Link]:
    """What makes the link of a run that holds a digest of evidence fast."""
    ledger, run_id = state.workspace.ledger, state.run.run_id
    held = chain.covered(connection, ledger, before)
    plans_digest = chain.plans_digest(chain.plans(connection, ledger, run_id))
    state_digest = changes.state_digest(connection, ledger, run_id)
    moment = now()

    def link_for(digest: str) -> Link:
        return chain.following(
            before,
            held,
            key=state.key,
            **({} if before else {"previous": name}),
            run_id=run_id,
            kind="run",
            plans_digest=plans_digest,
            evidence_digest=digest,
            verdict=verdict,
            written_at=moment,
            state_digest=state_digest,
        )

    return link_for


def _listed(rows: Sequence[Row], after: int) -> dict[str, Any]:
    """The receipts since the link before, each with its tables, where they are not too many."""
    return {
        "columns": ["seq", *chain.RECEIPT, "reason_digest", "tables"],
        "table_columns": list(chain.PART),
        "after": after,
        "rows": rows if len(rows) <= LISTED else [],
        "are_listed": len(rows) <= LISTED,
    }


def _content(
    connection: Connection, state: RunState, outcome: Outcome, mask: Mask
) -> dict[str, Any]:
    run, workspace = state.run, state.workspace
    body = run_object(outcome)
    for name in ("report", "report_page", "chain"):
        body.pop(name, None)
    return {
        **masked(body, mask),
        **environment(workspace, mask),
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
        "provenance": provenance(connection, workspace, mask, run.run_id),
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
