"""Documents of every kind that a page has to carry, made from a real one."""

from __future__ import annotations

import copy
import json

from messy_migration.evidence import document, page

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)> ' onload=x",
    "</style><b>{{ doc }}{% raw %}",
    "\u202egnp.exe\u2066",
    "x" * 400,
    "line\nbreak\tand\x00control",
)


def kinds(real):
    """Name -> document."""
    return {
        "match": real,
        "mismatch": mismatch(real),
        "unknown": unknown(real),
        "large": large(real),
        "empty": empty(real),
    }


def rendered(body):
    content = {name: body[name] for name in body if name != "digest"}
    return page.render(json.loads(document.text_of(document.sealed(content))))


def mismatch(real):
    body = copy.deepcopy(real)
    body.update(verdict="MISMATCH", exit_code=8, notes=list(HOSTILE))
    table = body["tables"][0]
    table.update(
        verdict="MISMATCH",
        actual_rows=table["expected_rows"] - 3,
        fingerprint_actual="ab" * 16,
        reason="11 rows, expected 1,214",
        waivers={HOSTILE[0]: 2},
        losses={"points round": 1_200},
        drift={"others": 2, "corrupted": 1, "note": ""},
    )
    table["money"] = [
        {"column": "total", "currency": "EUR", "expected": "512340.50", "actual": "512330.50"},
        {"column": "total", "currency": HOSTILE[0], "expected": None, "actual": "7"},
    ]
    table["checks"] = [
        {
            "check": "counter",
            "subject": "people_id_seq",
            "verdict": "MISMATCH",
            "why": "its next value 12 is taken",
            "next": "SELECT setval('people_id_seq', 5000)",
        }
    ]
    body["differences"] = [
        {
            "table": table["table"],
            "key": {"name": text, "email": "masked:0123456789ab"},
            "kind": ("missing", "extra", "changed")[number % 3],
            "columns": [text],
            "rows": 1,
            "rules": {text: "rounding"},
        }
        for number, text in enumerate(HOSTILE)
    ]
    body["located"] = [
        {
            "table": table["table"],
            "rows": 1_204,
            "columns": {"points": 1_200},
            "rules": {"points": {"rounding": 1_100}},
            "is_exact": True,
            "looked_at": 1_204,
            "note": HOSTILE[1],
        }
    ]
    return body


def unknown(real):
    body = copy.deepcopy(real)
    body.update(verdict="UNKNOWN", exit_code=5)
    for table in body["tables"]:
        table.update(
            verdict="UNKNOWN", actual_rows=None, fingerprint_actual=None, reason="HTTP 401"
        )
    body["problems"] = [
        {
            "kind": "SourceError",
            "exit_code": 5,
            "what": "the source refused the token",
            "where": HOSTILE[0],
            "why": HOSTILE[3],
            "next": "type the same command again",
        }
    ]
    return body


def large(real):
    """40 streams, 90 proofs, many reasons."""
    body = copy.deepcopy(real)
    stream, table = body["streams"][0], body["tables"][0]
    body["streams"] = [
        {**copy.deepcopy(stream), "stream": f"warehouse.stream_of_some_kind_{number:02}"}
        for number in range(40)
    ]
    body["streams"][3].update(
        extracted=123_456_789, loaded=100_000_000, quarantined=23_000_000, filtered=456_789
    )
    body["tables"] = [
        {
            **copy.deepcopy(table),
            "table": f"fact_{number // 30}",
            "scope": {"account": f"account-{number % 30:02}", "system": "vivenu"},
        }
        for number in range(90)
    ]
    body["quarantine"] = [
        {
            "stream": f"s{number}",
            "tenant": "t",
            "rule": f"rule.{number % 17}",
            "column": "c" if number % 2 else None,
            "records": number + 1,
        }
        for number in range(120)
    ]
    return body


def empty(real):
    body = copy.deepcopy(real)
    for name in ("streams", "tables", "quarantine", "inputs", "sums", "differences", "located"):
        body[name] = []
    body.update(verdict="UNKNOWN", exit_code=8, waiting=0, workers=0)
    body["receipts"]["rows"] = []
    return body
