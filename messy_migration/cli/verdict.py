"""The words behind a verdict: the last line, what it rests on, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from messy_migration.cli.render import cell, counted, table
from messy_migration.compare.findings import Findings
from messy_migration.evidence.source import proven, unproven
from messy_migration.ledger.completeness import Completeness, told
from messy_migration.ledger.runs import short
from messy_migration.pipeline.rules import FIRST
from messy_migration.reconcile.keyed import keyed_facts
from messy_migration.reconcile.money import summed, text
from messy_migration.reconcile.reconcile import Proof
from messy_migration.reconcile.source import source_facts
from messy_migration.reconcile.untouched import CLAIM, Untouched, word
from messy_migration.reconcile.verdict import TableVerdict, not_taken_words
from messy_migration.repair.apply import Repaired

_FORMS = {
    "ledger": "",
    "landed": ", value by value against what was read",
    "source": ", value by value against the source as it is now",
}
_TOTALS = 4


def last_line(verdict: str, proof: Proof) -> str:
    """The verdict in one line: what was not loaded, rows, differences, money, waivers."""
    verdicts, rest = proof.verdicts, told(proof.completeness)
    if verdict == "MATCH":
        rows = sum(table_verdict.expected.rows for table_verdict in verdicts)
        waivers = {name for table_verdict in verdicts for name, _ in table_verdict.waivers}
        name = f"MATCH with {counted(len(waivers), 'waiver')}" if waivers else "MATCH"
        if rest:
            name += f" of what was loaded; {rest};"
        differences = "0 missing, 0 extra, 0 changed"
        if waivers:
            differences = f"{_differing(verdicts):,} rows waived, nothing else differs"
        tables = len({table_verdict.table for table_verdict in verdicts})
        size = f"{rows:,} rows in {counted(tables, 'table')}{_FORMS[proof.form]}"
        return f"{name}{' ' if rest else '  '}{size}: {differences}"
    wrong = [table_verdict.table for table_verdict in verdicts if table_verdict.verdict == verdict]
    line = f"{verdict}  {', '.join(dict.fromkeys(wrong)) or 'nothing was compared'}"
    unread = sum(table_verdict.verdict == "UNKNOWN" for table_verdict in verdicts)
    more = f"; {counted(unread, 'table')} could not be proven" if verdict == "MISMATCH" else ""
    line += _kinds(proof.findings) + (more if unread else "")
    return f"{line}; {rest}" if rest else line


def money(verdicts: Sequence[TableVerdict]) -> list[str]:
    """`EUR 512,340.50 = 512,340.50 in orders.total`, a line per amount and currency.

    Those that differ come first, all of them; of the others a few.
    """
    totals = summed(verdicts)
    wrong = [total for total in totals if total[1].expected not in (None, total[1].actual)]
    right = [total for total in totals if total not in wrong]
    lines = [f"{text(amount)} in {name}" for name, amount in (*wrong, *right[:_TOTALS])]
    hidden = len(right) - _TOTALS
    if hidden > 0:
        lines.append(
            f"... and {counted(hidden, 'more total')} {'agrees' if hidden == 1 else 'agree'}"
        )
    return lines


def alarming(verdict: str, proof: Proof) -> frozenset[str]:
    """The lines that a reader must not miss: what is wrong, and totals that differ."""
    wrong = [line for line in money(proof.verdicts) if " <> " in line]
    last = [] if verdict == "MATCH" else [last_line(verdict, proof)]
    return frozenset(map(cell, (*wrong, *last)))


def below(proof: Proof) -> list[str]:
    """Lines under the tables: what mends them, what was lost or tolerated, what is to be said."""
    lines = []
    for verdict in proof.verdicts:
        for check in verdict.checks:
            if check.verdict != "MATCH":
                lines.append(f"{verdict.table}: {check.subject}: {check.why}")
                lines += [f"  next: {check.next}"] if check.next else []
        if verdict.not_taken:
            lines.append(f"{verdict.table}: {not_taken_words(verdict)}")
        lost = ", ".join(f"{count:,} by {name}" for name, count in verdict.losses if name != FIRST)
        if lost:
            lines.append(f"{verdict.table}: values changed by declared loss: {lost}")
        if verdict.tolerated:
            lines.append(
                f"{verdict.table}: {verdict.tolerated:,} values differ within their tolerance"
            )
    sources = source_facts(proof.sources)
    return [*lines, *proven(sources), *unproven(sources), *proof.notes, *_keyed(proof)]


def _keyed(proof: Proof) -> list[str]:
    """Of how many tables every row was read back and hashed under the key; nothing without one."""
    facts = keyed_facts(proof.key_id, proof.verdicts)
    if facts is None:
        return []
    tables = counted(len(proof.verdicts), "table")
    return [f"fingerprint_key {facts['key_id']}: {facts['tables']} of {tables} proven under it"]


def repaired_lines(repaired: Repaired) -> list[str]:
    """What a repair did, or would do."""
    done = "repaired" if repaired.run_id else "to repair"
    lines = []
    for repaired_table in repaired.tables:
        counts = {
            "missing inserted": repaired_table.inserted,
            "changed restored": repaired_table.restored,
            "extra removed": repaired_table.removed,
        }
        acts = [f"{count:,} {what}" for what, count in counts.items() if count]
        if acts:
            lines.append(f"{done} {repaired_table.table}: {', '.join(acts)}")
        lines += [
            f"left in {repaired_table.table}: {count:,} {why}" for why, count in repaired_table.kept
        ]
        if repaired_table.problem:
            lines.append(f"not repaired: {repaired_table.table}: {repaired_table.problem}")
    if repaired.run_id:
        lines.append(f"repaired as run {short(repaired.run_id)}; report: {repaired.report}")
    return lines or ["nothing to repair"]


def strict_line(proof: Proof) -> str:
    """Why `--strict` does not accept the verdict; empty if it does."""
    if not proof.allowed:
        return ""
    return f"not accepted under --strict: {'; '.join(proof.allowed)}"


def quick_text(untouched: Sequence[Untouched], completeness: Sequence[Completeness]) -> str:
    """The quick form: a table, and one line that says what it is and what it is not."""
    rows = [
        [
            verdict.table + "".join(f" {column}={value}" for column, value in verdict.scope),
            verdict.expected,
            verdict.ours,
            "-" if verdict.others is None else verdict.others,
            verdict.verdict + (f": {verdict.reason}" if verdict.reason else ""),
        ]
        for verdict in untouched
    ]
    rest = told(completeness)
    line = f"{word(untouched)}  {counted(len(untouched), 'table')} since the load, {CLAIM}"
    return "\n".join(
        [
            table(["table", "loaded", "ours", "others", "verdict"], rows, "lrrrl"),
            cell(f"{line}; {rest}" if rest else line),
        ]
    )


def _kinds(findings: Sequence[Findings]) -> str:
    if not findings:
        return ""
    if not any(table_findings.total for table_findings in findings):
        return ": what differs could not be named"
    kinds = Counter(dict.fromkeys(("missing", "extra", "changed"), 0))
    for table_findings in findings:
        for difference in table_findings.differences:
            kinds[difference.kind] += difference.rows
    line = ": " + ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    if any(
        table_findings.total > sum(difference.rows for difference in table_findings.differences)
        for table_findings in findings
    ):
        line += " among those listed"
    return line


def _differing(verdicts: Sequence[TableVerdict]) -> int:
    return sum(rows for verdict in verdicts for _, rows in verdict.waivers)
