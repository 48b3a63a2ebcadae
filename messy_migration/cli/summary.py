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
                    stream_label(totals.stream, totals.tenant),
                    totals.extracted,
                    totals.loaded,
                    totals.quarantined,
                    totals.filtered,
                ]
                for totals in outcome.streams
            ],
            "lrrrr",
        ),
        verdicts_text(outcome.proof.verdicts, outcome.tables, verbose=verbose),
        *differences_text(outcome.proof.findings),
    ]
    if outcome.skipped:
        verb = "was" if outcome.skipped == 1 else "were"
        parts.append(f"{counted(outcome.skipped, 'partition')} {verb} in the target already")
    parts += map(cell, outcome.notes)
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
        *([result.filed.line] if result.filed else []),
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
    audit = result.audit
    if audit is None:
        return []
    lines = [f"ledger: {line}" for line in (*audit.reasons, *audit.words)]
    if audit.newest:
        lines.append(f"chain: link {audit.newest.ordinal}, head {audit.newest.head}")
    return [*lines, f"anchor: {audit.anchor}"]


def differences_text(findings: Sequence[Findings]) -> list[str]:
    """Rows that differ, in which columns, and the rules that could explain it."""
    return [
        text
        for table_findings in findings
        for text in (*_listed(table_findings), *map(cell, _counts(table_findings)))
    ]


def _listed(findings: Findings) -> list[str]:
    """The table of the differences that are listed; none where there are none."""
    rows: list[list[object]] = [
        [
            " ".join(filter(None, (difference.kind, _told_of(difference)))),
            difference.table,
            ", ".join(f"{name}={value}" for name, value in difference.key) or "(no key)",
            ", ".join(_ruled(difference)) if difference.rules else ", ".join(difference.columns),
            difference.rows,
        ]
        for difference in findings.differences
    ]
    headers = ["difference", "table", "key", "columns", "rows"]
    return [table(headers, rows, "llllr")] if rows else []


def _counts(findings: Findings) -> list[str]:
    """Values, where they were asked for, and what is counted of all differences of a table."""
    lines = [line for difference in findings.differences for line in _values(difference)]
    listed = sum(difference.rows for difference in findings.differences)
    if findings.total > listed:
        about = "" if findings.is_exact else "about "
        lines.append(f"... and {about}{findings.total - listed:,} more in {findings.table}")
    if findings.columns:
        of = "" if findings.is_exact else f" (of {findings.looked_at:,} rows looked at)"
        columns = ", ".join(
            f"{name} in {counted(count, 'row')}" for name, count in findings.columns
        )
        lines.append(f"{findings.table} differs in: {columns}{of}")
    lines += [
        f"{findings.table}.{column} could be: "
        + ", ".join(f"{rule} ({count:,})" for rule, count in rules)
        for column, rules in findings.rules
    ]
    if findings.batches:
        batches = ", ".join(f"{name} ({count:,})" for name, count in findings.batches[:_BATCHES])
        more = " ..." if len(findings.batches) > _BATCHES else ""
        lines.append(f"{findings.table} rows came in: {batches}{more}")
    if findings.note:
        lines.append(f"{findings.table}: {findings.note}")
    return lines


def _ruled(difference: Difference) -> list[str]:
    rules = dict(difference.rules)
    return [f"{name} ({rules[name]})" if name in rules else name for name in difference.columns]


def _values(difference: Difference) -> list[str]:
    key = ", ".join(f"{name}={value}" for name, value in difference.key) or difference.kind
    return [
        f"  {difference.table} {key}: {column} '{cell(left)}' -> '{cell(right)}'"
        for column, left, right in difference.values
    ]


def _told_of(difference: Difference) -> str:
    """Who changed a row, where that is known."""
    if difference.since:
        return (
            f"({'on both sides' if difference.since == 'both' else f'in the {difference.since}'})"
        )
    return "(by others since)" if difference.writer == "others" else ""


def short_path(path: str) -> str:
    """A path as seen from here, where that is shorter."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
