"""The plugin against the sandbox, both judged by the published description and the manifest."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import messy_migration_vivenu as plugin
from messy_migration.model import RECORD, Batch, Filtered, Frame
from messy_migration_vivenu.settings import VivenuSettings


@pytest.fixture(scope="module")
def extracted(plain):
    """(stream, partition) -> what the plugin yields for it, and the calls that it made."""
    settings = VivenuSettings(**plain.section)
    found = {}
    plain.state.log.clear()
    for stream in plugin.streams(settings=settings):
        for partition in plugin.partitions(
            stream=stream, since=None, planned=None, settings=settings
        ):
            items = list(plugin.extract(stream=stream, partition=partition, settings=settings))
            total = plugin.count(stream=stream, partition=partition, settings=settings)
            found[stream.label, partition.name] = (stream, partition, items, total)
    return found, list(plain.state.log)


def records_of(items):
    return sum(item.table.num_rows if isinstance(item, Frame) else item.records for item in items)


def test_every_call_of_the_plugin_is_described(extracted, contract):
    _, calls = extracted
    wrong = {
        (call.path, call.query): problems
        for call in calls
        if (problems := contract.wrong_with_call(call.method, call.path, call.query))
    }
    assert len(calls) > 20
    assert wrong == {}
    assert {call.status for call in calls} == {200}


def test_as_much_is_extracted_as_is_served(extracted, plain):
    found, _ = extracted
    counts = Counter()
    for stream, _, items, total in found.values():
        assert records_of(items) == total
        counts[stream.name, stream.tenant] += records_of(items)
    truth = plain.sandbox.manifest["streams"]
    wanted = {
        (name, tenant): own["extracted"]
        for name, counted in truth.items()
        for tenant, own in counted["tenants"].items()
    }
    assert counts == wanted


def test_repeated_records_are_filtered(extracted, plain):
    found, _ = extracted
    counts = Counter()
    for stream, _, items, _ in found.values():
        for item in items:
            if isinstance(item, Filtered):
                counts[stream.name, item.rule] += item.records
    truth = plain.sandbox.manifest["streams"]
    wanted = {
        (name, "core.duplicate"): counted["cases"]["repeat"] for name, counted in truth.items()
    }
    assert counts == wanted


def test_bad_records_break_the_rules_that_the_manifest_names(extracted, plain):
    found, _ = extracted
    rules, ids = Counter(), {}
    for stream, partition, items, _ in found.values():
        frames = [item.table for item in items if isinstance(item, Frame)]
        if not frames:
            continue
        table = pa.concat_tables(frames)
        table = table.append_column(RECORD, pa.array(np.arange(table.num_rows, dtype=np.int32)))
        batch = Batch(stream, partition, 0, table)
        made = plugin.transform(stream=stream, table=None, batch=batch)
        errors = [item for item in made.violations if item.severity == "error"]
        rules.update((stream.name, item.rule) for item in errors)
        for name, frame in made.frames.items():
            ids.setdefault((name, stream.tenant), set()).update(keys_of(frame, stream.table(name)))
            broken = plugin.validate(stream=stream, table=name, batch=replace(batch, table=frame))
            assert [item for item in broken if item.severity == "error"] == []
    truth = plain.sandbox.manifest
    wanted = {
        (name, rule): count
        for name, counted in truth["streams"].items()
        for rule, count in counted["quarantined"].items()
        if not rule.startswith("core.")
    }
    assert rules == wanted
    rows = {
        (name, tenant): own["rows"]
        for name, counted in truth["tables"].items()
        for tenant, own in counted["tenants"].items()
    }
    assert {place: len(keys) for place, keys in ids.items()} == rows


def keys_of(frame, table):
    return set(zip(*(frame.column(name).to_pylist() for name in table.key), strict=True))


def test_nothing_that_is_to_be_kept_out_gets_in(extracted, plain):
    found, _ = extracted
    mark = plain.sandbox.manifest["keep_out"]
    payloads = 0
    for _, _, items, _ in found.values():
        for item in items:
            if isinstance(item, Frame):
                assert not any(mark in text for text in item.table.column("payload").to_pylist())
                payloads += item.table.num_rows
    assert payloads > 20_000
