"""The sandboxes as a log for machines: every line is one of the run, and batches are receipts."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from messy_migration_eventcombo.sandbox import Fault

from .served import EVENT_LIST
from .site import PLUGINS

QUICK = {"base": 0, "cap": 0, "asked": 0, "tries": 3}


@pytest.fixture(scope="module")
def told(new_site, new_sources):
    """Run over sandboxes that answer one call with 503; gives site, result and log lines."""
    with new_sources() as sources:
        site = new_site().configure(sources, http=QUICK)
        fault = Fault("503", path=EVENT_LIST, times=1)
        sources.eventcombo.knobs = replace(sources.eventcombo.knobs, faults=(fault,))
        result = site.migrate("run", *PLUGINS, "--log-format", "json")
        assert result.code == 0, result.err
        lines = [json.loads(line) for line in result.err.splitlines()]
        assert any(call.status == 503 for call in sources.calls)
        yield site, result, lines


def test_every_line_parses_and_names_the_run(told):
    site, _, lines = told
    ((run_id,),) = site.query(f"SELECT run_id FROM {site.ledger('run')}")
    assert {line["run"] for line in lines} == {run_id}
    assert all(line["level"] and line["timestamp"] for line in lines)
    names = Counter(line["event"] for line in lines)
    assert names["run.started"] == 1
    assert names["run.degraded"] == 1
    assert names["partition.landed"] > 5


def test_batch_events_add_up_to_the_receipts(told):
    site, _, lines = told
    batches = [line for line in lines if line["event"] == "batch.committed"]
    records = ("extracted", "loaded", "quarantined", "filtered")
    receipts = site.query(
        f"SELECT batch_id, stream, tenant, {', '.join(records)} FROM {site.ledger('receipt')}"
        " WHERE kind = 'load'"
    )
    assert {
        (line["batch"], line["stream"], line["tenant"], *(line[name] for name in records))
        for line in batches
    } == set(receipts)
    assert len(batches) == len(receipts)
    rows = ("inserted", "updated", "unchanged")
    added = ", ".join(f"sum(p.{name})" for name in rows)
    (sums,) = site.query(
        f"SELECT {added} FROM {site.ledger('receipt_table')} p"
        f" JOIN {site.ledger('receipt')} r USING (batch_id) WHERE r.kind = 'load'"
    )
    assert tuple(sum(line[name] for line in batches) for name in rows) == sums


def test_one_503_is_one_line_that_names_its_stream(told):
    _, _, lines = told
    (line,) = [line for line in lines if line["event"] == "http.failed"]
    assert line["why"] == "status 503"
    assert line["stream"].startswith("eventcombo.")


def test_the_evidence_says_what_each_stream_cost(told):
    site, *_ = told
    (file,) = site.folder.glob("migration-*.json")
    content = json.loads(file.read_text())
    streams = content.get("streams") or content["content"]["streams"]
    usage = {item["stream"]: item["usage"] for item in streams}
    assert all(cost["memory_bytes"] > 1_000_000 for cost in usage.values())
    assert all(cost["cpu_seconds"] > 0 and cost["calls"] > 0 for cost in usage.values())
    assert usage["vivenu.tickets"]["bytes"] > 1_000
