"""Outcomes and proofs as a person reads them; the verdict is one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from messy_migration.api import Outcome, Reconciliation
from messy_migration.cli.render import cell, counted, table
from messy_migration.cli.tables import verdicts_text
from messy_migration.cli.verdict import (
    below,
    last_line,
    money,
    quick_text,
    repaired_lines,
    strict_line,
)
from messy_migration.compare.findings import Difference, Findings
from messy_migration.ledger.runs import short
from messy_migration.model import stream_label

_BATCHES = 8


def outcome_text(outcome: Outcome, *, verbose: bool = False) -> str:
    """A run: streams, tables, differences, quarantine, verdict; its problems go to stderr."""
    run = outcome.run
    size = f"{counted(len(run.plugins), 'plugin')}, {counted(len(outcome.streams), 'stream')}"
    effort = f"{counted(outcome.workers, 'worker')} . {outcome.seconds:.1f} s"
    parts = [
        cell(f"run {short(run.run_id)} . {size} -> {outcome.target} . {effort}"),
        table(
            ["stream", "extracted", "loaded", "quarantined", "filtered"],
            [
                [
                    stream_label(item.stream, item.tenant),
                    item.extracted,
                    item.loaded,
                    item.quarantined,
                    item.filtered,
                ]
                for item in outcome.streams
            ],
            "lrrrr",
        ),
        verdicts_text(outcome.proof.verdicts, outcome.tables, verbose=verbose),
        *differences_text(outcome.proof.findings),
    ]
    if outcome.skipped:
        verb = "was" if outcome.skipped == 1 else "were"
        parts.append(f"{counted(outcome.skipped, 'partition')} {verb} in the target already")
    proof = outcome.proof
    parts += map(cell, (*below(proof), *money(proof.verdicts), last_line(outcome.verdict, proof)))
    held = sum(count for *_, count in outcome.quarantine)
    if held:
        rules = ", ".join(
            f"{count:,} {rule}" + (f" ({column})" if column else "")
            for _, _, rule, column, count in outcome.quarantine[:4]
        )
        more = " ..." if len(outcome.quarantine) > 4 else ""
        parts.append(cell(f"{counted(held, 'record')} in quarantine: {rules}{more}"))
    if outcome.waiting > held:
        parts.append(f"{counted(outcome.waiting, 'record')} in quarantine over all runs")
    parts.append(cell(f"report: {short_path(outcome.report_page)}"))
    parts.append(f"chain: link {outcome.link}, head {outcome.head}")
    return "\n".join(parts)


def reconciliation_text(result: Reconciliation, *, verbose: bool = False) -> str:
    """A reconciliation: tables, differences, verdict."""
    proof = result.proof
    if result.untouched:
        return f"target {cell(result.target)}\n{quick_text(result.untouched, result.completeness)}"
    below_tables = [
        *below(proof),
        *(repaired_lines(result.repaired) if result.repaired else []),
        *_audit(result),
        *([f"report: {short_path(result.report_page)}"] if result.report_page else []),
        *money(proof.verdicts),
        last_line(result.verdict, proof),
        *(filter(None, [strict_line(proof)]) if result.strict else ()),
    ]
    return "\n".join(
        [
            f"target {cell(result.target)}",
            verdicts_text(proof.verdicts, verbose=verbose),
            *differences_text(proof.findings),
            *map(cell, below_tables),
        ]
    )


def _audit(result: Reconciliation) -> list[str]:
    found = result.audit
    if found is None:
        return []
    lines = [f"ledger: {line}" for line in (*found.reasons, *found.words)]
    if found.newest:
        lines.append(f"chain: link {found.newest.ordinal}, head {found.newest.head}")
    return [*lines, f"anchor: {found.anchor}"]


def differences_text(findings: Sequence[Findings]) -> list[str]:
    """Rows that differ, in which columns, and the rules that could explain it."""
    return [text for found in findings for text in (*_listed(found), *map(cell, _counts(found)))]


def _listed(found: Findings) -> list[str]:
    """The table of the differences that are listed; none where there are none."""
    rows: list[list[object]] = [
        [
            " ".join(filter(None, (item.kind, _told_of(item)))),
            item.table,
            ", ".join(f"{name}={value}" for name, value in item.key) or "(no key)",
            ", ".join(_ruled(item)) if item.rules else ", ".join(item.columns),
            item.rows,
        ]
        for item in found.differences
    ]
    headers = ["difference", "table", "key", "columns", "rows"]
    return [table(headers, rows, "llllr")] if rows else []


def _counts(found: Findings) -> list[str]:
    """Values, where they were asked for, and what is counted of all differences of a table."""
    lines = [line for item in found.differences for line in _values(item)]
    listed = sum(item.rows for item in found.differences)
    if found.total > listed:
        about = "" if found.is_exact else "about "
        lines.append(f"... and {about}{found.total - listed:,} more in {found.table}")
    if found.columns:
        of = "" if found.is_exact else f" (of {found.looked_at:,} rows looked at)"
        columns = ", ".join(f"{name} in {counted(count, 'row')}" for name, count in found.columns)
        lines.append(f"{found.table} differs in: {columns}{of}")
    lines += [
        f"{found.table}.{column} could be: "
        + ", ".join(f"{rule} ({count:,})" for rule, count in rules)
        for column, rules in found.rules
    ]
    if found.batches:
        batches = ", ".join(f"{name} ({count:,})" for name, count in found.batches[:_BATCHES])
        more = " ..." if len(found.batches) > _BATCHES else ""
        lines.append(f"{found.table} rows came in: {batches}{more}")
    if found.note:
        lines.append(f"{found.table}: {found.note}")
    return lines


def _ruled(item: Difference) -> list[str]:
    rules = dict(item.rules)
    return [f"{name} ({rules[name]})" if name in rules else name for name in item.columns]


def _values(item: Difference) -> list[str]:
    key = ", ".join(f"{name}={value}" for name, value in item.key) or item.kind
    return [
        f"  {item.table} {key}: {column} '{cell(left)}' -> '{cell(right)}'"
        for column, left, right in item.values
    ]


def _told_of(item: Difference) -> str:
    """Who changed a row, where that is known."""
    if item.since:
        return f"({'on both sides' if item.since == 'both' else f'in the {item.since}'})"
    return "(by others since)" if item.writer == "others" else ""


def short_path(path: str) -> str:
    """A path as seen from here, where that is shorter."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
