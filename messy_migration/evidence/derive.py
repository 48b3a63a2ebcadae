"""Derive every figure of an evidence document again, from nothing but the document.

Each check says in words what it holds against what. None of them trusts a sum that another
part of the document could have given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from messy_migration.errors import exit_code
from messy_migration.evidence import document as documents
from messy_migration.evidence.check import Check
from messy_migration.evidence.figures import pairs, receipt_dicts
from messy_migration.evidence.links import Document, chained, check_head, check_link, check_links
from messy_migration.evidence.notation import label
from messy_migration.ledger.chain import Row, plans_digest, receipts_digest
from messy_migration.ledger.completeness import COUNTED, Completeness, of_rows, problems
from messy_migration.ledger.receipts import scope_of
from messy_migration.ledger.totals import READING, WRITING
from messy_migration.model import Fingerprint

FIELDS = frozenset(
    (
        *("against", "allowed", "notes", "repair", "strict", "waivers"),
        *("adopted", "assumed", "carried", "chain", "command", "completeness", "differences"),
        *("digest", "environment", "keyed", "page"),
        *(
            "exit_code",
            "inputs",
            "kind",
            "ledger",
            "loaded_before",
            "links",
            "located",
            "masked",
            "moments",
            "planned",
        ),
        *(
            "problems",
            "provenance",
            "quarantine",
            "receipts",
            "resumed",
            "run",
            "run_id",
            "sandbox",
            "schema",
            "signature",
        ),
        *(
            "seconds",
            "skipped_partitions",
            "snapshot",
            "sources",
            "status",
            "streams",
            "sums",
            "tables",
        ),
        *("target", "unlinked", "verdict", "waiting", "workers"),
    )
)
"""What a document may hold; whoever adds a field adds it here, and raises the version unless
documents may do without it."""

_SNAPSHOT = re.compile(r"(\d{1,20}):(\d{1,20}):((?:\d{1,20}(?:,\d{1,20})*)?)")

_COUNTS = ("extracted", "loaded", "quarantined", "filtered", "warnings")
_ROWS = ("inserted", "updated", "unchanged")


def derive(document: Document) -> list[Check]:
    """All checks of a document that `documents.read` took."""
    checks = [
        _checked("it holds nothing that this version does not know", _fields, document),
        _checked("the digest over its content is right", _digest, document),
    ]
    if document.get("kind") == "run" or "chain" in document:
        checks += [
            _checked("the head of the chain follows from its link", check_head, document),
            _checked(
                "the link is of this run, this verdict and this content", check_link, document
            ),
            _checked("the links of the run lead to its last one", check_links, document),
        ]
    if document.get("kind") == "run":
        checks += [
            _checked("the link follows from the receipts", _receipts, document),
            _checked("the link follows from what was planned", _planned, document),
            _checked(
                "extracted = loaded + quarantined + filtered, for every stream", _flow, document
            ),
            _checked("the streams are the sums of their receipts", _streams, document),
            _checked("the tables are the sums of their receipts", _tables, document),
            _checked("expected rows are the sums of all receipts", _expected, document),
        ]
    if "completeness" in document:
        checks.append(_checked("what was not loaded follows from the counts", _complete, document))
    if "snapshot" in document:
        checks.append(_checked("the snapshot of the proof is one", _snapshot, document))
    checks += [
        _checked("every verdict follows from its fingerprints", _verdicts, document),
        _checked("what is said of the sources follows from both sides", _sources, document),
        _checked("the differences that are listed add up", _differences, document),
        _checked("the verdict and the exit code follow from all of it", _overall, document),
    ]
    return checks


def _checked(what: str, check: Callable[[Document], Iterator[str]], document: Document) -> Check:
    try:
        problems = list(check(document))
    except _Unlisted as reason:
        return Check(what, None, str(reason))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        return Check(what, passed=False, why=f"it is not in shape ({type(error).__name__})")
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return Check(what, not problems, "; ".join(problems[:3]) + more)


class _Unlisted(Exception):
    """The document holds too many receipts to list them."""


def _fields(document: Document) -> Iterator[str]:
    for name in sorted(set(document) - FIELDS):
        yield f"the field {name[:60]!r} is unknown: added by hand, or by a newer program"


def _digest(document: Document) -> Iterator[str]:
    found = documents.digest(document)
    if found != document["digest"]:
        yield f"it is {found[:12]}, the file says {str(document['digest'])[:12]}"


def _rows(document: Document) -> list[Row]:
    if not document["receipts"]["are_listed"]:
        raise _Unlisted("the receipts are too many to be listed")
    rows: list[Row] = document["receipts"]["rows"]
    return rows


def _receipts(document: Document) -> Iterator[str]:
    link, after = chained(document), document["receipts"]["after"]
    rows = [row for row in _rows(document) if int(str(row[0])) > after]
    count, last, digest = receipts_digest(rows)
    if (count, max(last, after)) != (link.receipts, link.last_seq):
        yield f"{count} receipts up to {last}, the link says {link.receipts} to {link.last_seq}"
    elif digest != link.receipts_digest:
        yield "their digest is another one"
    for entry in receipt_dicts(document):
        if entry["extracted"] != entry["loaded"] + entry["quarantined"] + entry["filtered"]:
            yield f"receipt {entry['seq']} does not balance"


def _planned(document: Document) -> Iterator[str]:
    if plans_digest(document["planned"]) != chained(document).plans_digest:
        yield "its digest is another one"
    planned = {tuple(row[:4]) for row in document["planned"]}
    for entry in document["inputs"]:
        place = (entry["stream"], entry["tenant"], entry["digest"], entry["plan_id"])
        if entry["state"] == "read" and place not in planned:
            yield f"an input of {label(entry['stream'], entry['tenant'])} was not planned"


def _flow(document: Document) -> Iterator[str]:
    held: dict[tuple[str, str], int] = {}
    for entry in document["quarantine"]:
        place = (entry["stream"], entry["tenant"])
        held[place] = held.get(place, 0) + entry["records"]
    for entry in document["streams"]:
        place = (entry["stream"], entry["tenant"])
        name = label(*place)
        if entry["extracted"] != entry["loaded"] + entry["quarantined"] + entry["filtered"]:
            yield f"{name} does not balance"
        if sum(entry["filters"].values()) != entry["filtered"]:
            yield f"the rules of {name} do not add up to what was filtered"
        if held.pop(place, 0) != entry["quarantined"]:
            yield f"the reasons of {name} do not add up to what is in quarantine"
    for place in held:
        yield f"{label(*place)} has records in quarantine and is no stream of the run"


def _streams(document: Document) -> Iterator[str]:
    _rows(document)
    sums: dict[tuple[str, str], list[int]] = {}
    for entry in receipt_dicts(document):
        if entry["run_id"] == document["run_id"] and entry["kind"] in READING:
            found = sums.setdefault((entry["stream"], entry["tenant"]), [0] * 6)
            for column, name in enumerate(_COUNTS):
                found[column] += entry[name]
            found[5] += 1
    for entry in document["streams"]:
        place = (entry["stream"], entry["tenant"])
        if sums.pop(place, [0] * 6) != [entry[name] for name in (*_COUNTS, "batches")]:
            yield f"{label(*place)} is not the sum of its receipts"


def _tables(document: Document) -> Iterator[str]:
    _rows(document)
    sums: dict[tuple[str, tuple[tuple[str, str], ...]], list[int]] = {}
    for entry in receipt_dicts(document):
        is_ours = entry["run_id"] == document["run_id"]
        if not is_ours or entry["kind"] not in WRITING:
            continue
        for part in entry["tables"]:
            key = (part["table_name"], tuple(sorted(scope_of(part["scope"]))))
            found = sums.setdefault(key, [0, 0, 0])
            for column, name in enumerate(_ROWS):
                found[column] += part[name]
    for entry in document["tables"]:
        key = (entry["table"], _scope(entry))
        if sums.get(key, [0, 0, 0]) != [entry[name] for name in _ROWS]:
            yield f"table {entry['table']} is not the sum of its receipts"


def _expected(document: Document) -> Iterator[str]:
    _rows(document)
    after = document["receipts"]["after"]
    sums = {(entry["table"], _scope(entry)): entry for entry in document["sums"]}
    for entry in document["tables"]:
        start = sums[entry["table"], _scope(entry)]
        total = Fingerprint.of(start["carried_rows"], start["carried_lanes"])
        for receipt in receipt_dicts(document):
            for part in receipt["tables"] if receipt["seq"] > after else ():
                is_its = (
                    part["table_name"] == entry["table"]
                    and part["format_id"] == start["format_id"]
                    and dict(scope_of(part["scope"])) == entry["scope"]
                )
                if is_its:
                    total += Fingerprint.of(part["net_rows"], part["net_lanes"])
        if (total.rows, total.lanes) != (entry["expected_rows"], entry["fingerprint_expected"]):
            expected = entry["expected_rows"]
            yield f"table {entry['table']} expects {expected}, its sum is {total.rows}"


def _complete(document: Document) -> Iterator[str]:
    """Counts that balance, and that are those of earlier links and of the receipts since."""
    rows = {(one.stream, one.tenant): one for one in of_rows(document["completeness"])}
    if len(rows) != len(document["completeness"]):
        yield "a stream is counted twice"
    for one in rows.values():
        if one.extracted != one.loaded + one.quarantined + one.filtered:
            yield f"{one.label} does not balance"
    if document["kind"] == "run":
        if document["waiting"] != sum(one.quarantined for one in rows.values()):
            yield "the records in quarantine are not the sum over the streams"
        yield from _summed(document, rows)


def _summed(document: Document, rows: Mapping[tuple[str, str], Completeness]) -> Iterator[str]:
    _rows(document)
    after = document["receipts"]["after"]
    sums = {
        (entry["stream"], entry["tenant"]): [entry[name] for name in COUNTED]
        for entry in document["carried"]
    }
    for item in receipt_dicts(document):
        place = (item["stream"], item["tenant"])
        if item["seq"] > after and place in sums:
            sums[place] = [a + item[b] for a, b in zip(sums[place], COUNTED, strict=True)]
    for place, one in rows.items():
        if sums.pop(place, None) != [getattr(one, name) for name in COUNTED]:
            yield f"{one.label} is not the sum of its receipts"
    for place in sums:
        yield f"{label(*place)} is counted in receipts alone"


def _scope(entry: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(entry["scope"].items()))


def _snapshot(document: Document) -> Iterator[str]:
    """Transactions under way lie between the oldest of them and the next to come."""
    text = str(document["snapshot"]["transactions"])
    match = _SNAPSHOT.fullmatch(text)
    if match is None:
        yield f"{text[:60]!r} is no snapshot"
        return
    first, end = int(match[1]), int(match[2])
    under_way = [int(part) for part in match[3].split(",") if part]
    if first > end or any(not first <= number < end for number in under_way):
        yield f"{text[:60]!r} contradicts itself"


def _verdicts(document: Document) -> Iterator[str]:
    for entry in document["tables"]:
        expected = (entry["expected_rows"], entry["fingerprint_expected"])
        is_equal = expected == (entry["actual_rows"], entry["fingerprint_actual"])
        # Against landed or source values the fingerprints are not what the verdict rests on.
        is_by_value = document.get("against", "ledger") != "ledger"
        is_excused = bool(pairs(entry["waivers"]) or entry["tolerated"] or is_by_value)
        lost = [key for key, count in entry["orphans"].items() if count]
        word = entry["verdict"]
        if word not in ("MATCH", "MISMATCH", "UNKNOWN"):
            yield f"table {entry['table']} has no verdict"
        elif word == "MATCH" and not (is_equal or is_excused):
            yield f"table {entry['table']} says MATCH, and its fingerprints differ"
        elif word == "MATCH" and lost and not is_excused:
            yield f"table {entry['table']} says MATCH, and its rows miss parents"
        elif word == "MATCH" and (entry.get("keyed") or {}).get("verdict") == "MISMATCH":
            yield f"table {entry['table']} says MATCH, and its rows are forged under the key"
        elif word != "MATCH" and is_equal and not entry["reason"]:
            yield f"table {entry['table']} says {word}, and no reason"


def _sources(document: Document) -> Iterator[str]:
    for entry in document.get("sources", ()):
        name = label(entry["stream"], entry["tenant"])
        for one in entry["partitions"]:
            is_equal = (one["source_rows"], one["source_lanes"]) == (
                one["read_rows"],
                one["read_lanes"],
            )
            word = "MATCH" if is_equal else "MISMATCH"
            if one["note"] or one["source_rows"] is None:
                word = "UNKNOWN"
            if one["verdict"] != word:
                yield f"a partition of {name} is {word}, the file says {one['verdict']}"
        words = {one["verdict"] for one in entry["partitions"]}
        worst = next((word for word in ("MISMATCH", "UNKNOWN") if word in words), "MATCH")
        if entry["verdict"] != worst:
            yield f"{name} is {worst} by its partitions, the file says {entry['verdict']}"
        rows = sum(one["read_rows"] for one in entry["partitions"] if one["verdict"] == "MATCH")
        if rows != entry["rows"]:
            yield f"{name} has {rows} rows that are those of the source, the file says otherwise"
        tables = [one for one in document["tables"] if one["stream"] == name]
        if worst == "MISMATCH" and any(one["verdict"] != "MISMATCH" for one in tables):
            yield f"{name} is not what its source has, and a table of it is no MISMATCH"
        if entry["is_through"] and [one["expected_rows"] for one in tables] != [rows]:
            yield f"{name} is said to be stored as its source has it, and has other rows"


def _differences(document: Document) -> Iterator[str]:
    listed: dict[str, int] = {}
    for entry in document["differences"]:
        if entry["kind"] not in ("missing", "extra", "changed") or entry["rows"] < 1:
            yield f"a difference of table {entry['table']} is none"
        listed[entry["table"]] = listed.get(entry["table"], 0) + entry["rows"]
    counted: dict[str, int] = {}
    estimated = {entry["table"] for entry in document["located"] if not entry["is_exact"]}
    for entry in document["located"]:
        counted[entry["table"]] = counted.get(entry["table"], 0) + entry["rows"]
    for table, rows in listed.items():
        if rows > counted.get(table, 0) and table not in estimated:
            yield f"table {table} lists more differences than it counts"


def _overall(document: Document) -> Iterator[str]:
    found = {entry["verdict"] for entry in document["tables"]}
    word = "MATCH"
    if "MISMATCH" in found:
        word = "MISMATCH"
    elif "UNKNOWN" in found or not found or document.get("ledger", {}).get("reasons"):
        word = "UNKNOWN"
    if word != document["verdict"]:
        yield f"the tables say {word}, the file says {str(document['verdict'])[:20]}"
    codes = {entry["exit_code"] for entry in document.get("problems", ())}
    if "completeness" in document:
        wanting = problems(of_rows(document["completeness"]))
        codes = codes - {7} | {problem.exit_code for problem in wanting}
    elif document["kind"] != "run":
        codes -= {7}  # what waited in quarantine was no matter of a reconciliation then
    written = document["exit_code"]
    if 130 in codes and written == 143:  # SIGTERM is told from SIGINT by the code alone
        codes = codes - {130} | {143}
    code = exit_code(codes, mismatch=word == "MISMATCH", unknown=word == "UNKNOWN")
    if document.get("strict") and document["allowed"]:
        code = 8
    if code != written:
        yield f"all of it gives exit code {code}, the file says {written}"
