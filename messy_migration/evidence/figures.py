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
    for item in document.get("streams", ()):
        name = label(item["stream"], item["tenant"])
        counts = ", ".join(f"{number(item[part])} {part}" for part in PARTS)
        title = f"{shown(name)}: {number(item['extracted'])} extracted, {counts}"
        found.append(
            {
                **item,
                "name": name,
                "bar": charts.bar(item),
                "title": title,
                "rules": sorted(item["filters"].items()),
                "seconds": spans.get((item["stream"], item["tenant"])),
            }
        )
    return found


def tables(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each table and scope: the worst verdicts first, then by name."""
    return [
        {
            **item,
            "scope_label": scope_label(item["scope"]),
            "is_equal": item["actual_rows"] == item["expected_rows"]
            and item["fingerprint_actual"] == item["fingerprint_expected"],
            "pointing": [
                (key, count) for key, count in sorted(item["orphans"].items()) if count != 0
            ],
            "checks": item.get("checks") or [],
            "waivers": pairs(item.get("waivers")),
            "lost": pairs(item.get("losses")),
            "tolerated": item.get("tolerated") or 0,
            "drift": item.get("drift"),
        }
        for item in sorted(document["tables"], key=_rank)
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
    for item in document.get("quarantine", ()):
        counts[item["rule"]] += item["records"]
        place = label(item["stream"], item["tenant"])
        if item["column"]:
            place += f", {item['column']}"
        places.setdefault(item["rule"], Counter())[place] += item["records"]
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
    for item in document["differences"]:
        listed.setdefault(item["table"], []).append(item)
    found = []
    for item in document["located"]:
        rows = listed.pop(item["table"], [])
        shown_rows = sum(row["rows"] for row in rows)
        found.append(
            {
                **item,
                "listed": [
                    {**row, "rules": row.get("rules", {}), "told": _told_of(row)} for row in rows
                ],
                "is_exact": item.get("is_exact", True),
                "explained": [
                    (column, pairs(rules)) for column, rules in item.get("rules", {}).items()
                ],
                "kinds": _kinds(rows),
                "more": max(item["rows"] - shown_rows, 0),
                "columns": sorted(item["columns"].items(), key=lambda pair: (-pair[1], pair[0])),
            }
        )
    return found


def inputs(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each stream was read from; the first of many."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for item in document.get("inputs", ()):
        found.setdefault(label(item["stream"], item["tenant"]), []).append(item)
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
            **item,
            "table": table["table"],
            "scope_label": scope_label(table["scope"]),
            "is_equal": item["expected"] is not None
            and Decimal(str(item["expected"])) == Decimal(str(item["actual"])),
        }
        for table in document["tables"]
        for item in table.get("money") or ()
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
        "options": sorted(run.get("options", {}).items()),
        "seconds": document.get("seconds"),
        "rows": sum(item["expected_rows"] for item in document["tables"]),
        "scopes": len(document["tables"]),
        "tables": len({item["table"] for item in document["tables"]}),
        "plans": sorted(
            {
                (label(item["stream"], item["tenant"]), item["plan_id"])
                for item in document.get("inputs", ())
            }
        ),
        "formats": {
            (item["table"], scope_label(item["scope"])): item["format_id"]
            for item in document.get("sums", ())
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
    for item in receipt_dicts(document):
        if item["kind"] == "load" and item["run_id"] == document.get("run_id"):
            span = ends.setdefault((item["stream"], item["tenant"]), [])
            span += [item["started_at"], item["committed_at"]]
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
