"""What the page shows, drawn from a document: names, counts and rows, each in its own words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from messy_migration.evidence import charts
from messy_migration.evidence.charts import PARTS
from messy_migration.evidence.notation import label, number, plural, shown

INPUTS = 40
"""Inputs that the page lists of each stream; the document has all."""
_WORST = ("MISMATCH", "UNKNOWN", "MATCH")


def scope_label(scope: Mapping[str, str]) -> str:
    """A scope in words."""
    return ", ".join(f"{name} = {value}" for name, value in scope.items())


def totals(document: Mapping[str, Any]) -> dict[str, int]:
    """Records of the whole run."""
    names = ("extracted", *PARTS, "warnings", "batches")
    return {name: sum(one[name] for one in document.get("streams", ())) for name in names}


def streams(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each stream and tenant, with its time from first to last batch."""
    spans = _spans(document)
    found = []
    for entry in document.get("streams", ()):
        name = label(entry["stream"], entry["tenant"])
        counts = ", ".join(f"{number(entry[part])} {part}" for part in PARTS)
        title = f"{shown(name)}: {number(entry['extracted'])} extracted, {counts}"
        found.append(
            {
                **entry,
                "name": name,
                "bar": charts.bar(entry),
                "title": title,
                "rules": sorted(entry["filters"].items()),
                "seconds": spans.get((entry["stream"], entry["tenant"])),
            }
        )
    return found


def tables(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each table and scope: the worst verdicts first, then by name."""
    return [
        {
            **entry,
            "scope_label": scope_label(entry["scope"]),
            "is_equal": entry["actual_rows"] == entry["expected_rows"]
            and entry["fingerprint_actual"] == entry["fingerprint_expected"],
            "pointing": [
                (key, count) for key, count in sorted(entry["orphans"].items()) if count != 0
            ],
            "checks": entry.get("checks") or [],
            "waivers": pairs(entry.get("waivers")),
            "lost": pairs(entry.get("losses")),
            "tolerated": entry.get("tolerated") or 0,
            "drift": entry.get("drift"),
        }
        for entry in sorted(document["tables"], key=_rank)
    ]


def _rank(table: Mapping[str, Any]) -> tuple[int, str, str]:
    return _WORST.index(table["verdict"]), table["table"], scope_label(table["scope"])


def pairs(value: object) -> list[tuple[str, object]]:
    """Names and counts, whether they were written as an object or as a list of pairs."""
    if isinstance(value, Mapping):
        return sorted(value.items())
    rows = value if isinstance(value, list) else []
    return [
        (str(row[0]), row[1]) if isinstance(row, list) else (str(row.get("name")), row.get("rows"))
        for row in rows
    ]


def quarantine(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each rule, with the streams and columns that broke it; most records first."""
    counts: Counter[str] = Counter()
    places: dict[str, Counter[str]] = {}
    for entry in document.get("quarantine", ()):
        counts[entry["rule"]] += entry["records"]
        place = label(entry["stream"], entry["tenant"])
        if entry["column"]:
            place += f", {entry['column']}"
        places.setdefault(entry["rule"], Counter())[place] += entry["records"]
    largest = max(counts.values(), default=0)
    return [
        {
            "rule": rule,
            "records": count,
            "places": places[rule].most_common(),
            "bar": charts.measure(count, largest, "quarantined"),
            "title": f"{shown(rule)}: {plural(count, 'record')}",
        }
        for rule, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def differences(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The differences of each table that has some, with what was counted and not listed."""
    listed: dict[str, list[Mapping[str, Any]]] = {}
    for entry in document["differences"]:
        listed.setdefault(entry["table"], []).append(entry)
    found = []
    for entry in document["located"]:
        rows = listed.pop(entry["table"], [])
        shown_rows = sum(row["rows"] for row in rows)
        found.append(
            {
                **entry,
                "listed": [
                    {**row, "rules": row.get("rules", {}), "told": _told_of(row)} for row in rows
                ],
                "is_exact": entry.get("is_exact", True),
                "explained": [
                    (column, pairs(rules)) for column, rules in entry.get("rules", {}).items()
                ],
                "kinds": _kinds(rows),
                "more": max(entry["rows"] - shown_rows, 0),
                "columns": sorted(entry["columns"].items(), key=lambda pair: (-pair[1], pair[0])),
            }
        )
    return found


def inputs(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each stream was read from; the first of many."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for entry in document.get("inputs", ()):
        found.setdefault(label(entry["stream"], entry["tenant"]), []).append(entry)
    return [
        {
            "name": name,
            "rows": rows[:INPUTS],
            "more": max(len(rows) - INPUTS, 0),
            "read": sum(row["state"] == "read" for row in rows),
            "skipped": sum(row["state"] == "skipped" for row in rows),
        }
        for name, rows in found.items()
    ]


def money(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Totals of amounts per currency, where tables declare them; those that differ first."""
    rows = [
        {
            **entry,
            "table": table["table"],
            "scope_label": scope_label(table["scope"]),
            "is_equal": entry["expected"] is not None
            and Decimal(str(entry["expected"])) == Decimal(str(entry["actual"])),
        }
        for table in document["tables"]
        for entry in table.get("money") or ()
    ]
    largest = {
        row["currency"]: max(
            _cents(other["actual"]) for other in rows if other["currency"] == row["currency"]
        )
        for row in rows
    }
    for row in rows:
        row["bar"] = charts.measure(_cents(row["actual"]), largest[row["currency"]], "loaded")
        row["title"] = f"{shown(row['currency'])} {number(str(row['actual']))}"
    return sorted(rows, key=lambda row: row["is_equal"])


def facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """Versions and the like, in the order in which they are read."""
    run = document.get("run", {})
    versions = run.get("versions", {})
    first = ("messy-migration", "python", "target")
    ordered = [name for name in first if name in versions]
    ordered += sorted(name for name in versions if name not in first)
    return {
        "versions": [(name, versions[name]) for name in ordered],
        "options": sorted(
            (name, value)
            for name, value in run.get("options", {}).items()
            if name != "settings"  # by plugin and version, and too long for a line
        ),
        "seconds": document.get("seconds"),
        "rows": sum(entry["expected_rows"] for entry in document["tables"]),
        "scopes": len(document["tables"]),
        "tables": len({entry["table"] for entry in document["tables"]}),
        "plans": sorted(
            {
                (label(entry["stream"], entry["tenant"]), entry["plan_id"])
                for entry in document.get("inputs", ())
            }
        ),
        "formats": {
            (entry["table"], scope_label(entry["scope"])): entry["format_id"]
            for entry in document.get("sums", ())
        },
    }


def receipt_dicts(document: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """The receipts of a document by the names of their columns, their parts too."""
    listed = document.get("receipts") or {"rows": ()}
    for row in listed["rows"]:
        found = dict(zip(listed["columns"], row, strict=True))
        parts = [dict(zip(listed["table_columns"], part, strict=True)) for part in row[-1]]
        yield {**found, "tables": parts}


def _spans(document: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """(stream, tenant) -> seconds from the start of its first batch to the end of its last."""
    ends: dict[tuple[str, str], list[str]] = {}
    for entry in receipt_dicts(document):
        if entry["kind"] == "load" and entry["run_id"] == document.get("run_id"):
            span = ends.setdefault((entry["stream"], entry["tenant"]), [])
            span += [entry["started_at"], entry["committed_at"]]
    return {
        place: (
            datetime.fromisoformat(max(times)) - datetime.fromisoformat(min(times))
        ).total_seconds()
        for place, times in ends.items()
    }


def _told_of(row: Mapping[str, Any]) -> str:
    """Who changed a row, where that is known."""
    since, writer = row.get("since"), row.get("writer")
    if since:
        return "changed on both sides" if since == "both" else f"changed in the {shown(since)}"
    return "written by others since the load" if writer == "others" else ""


def _kinds(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row["kind"]] += row["rows"]
    return [(kind, counts[kind]) for kind in ("missing", "extra", "changed") if counts[kind]]


def _cents(value: object) -> int:
    return int(abs(Decimal(str(value))) * 100)
