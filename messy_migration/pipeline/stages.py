"""From extracted records to rows that may be written: transform, validate, set aside.

Knows no database. A record that breaks a rule leaves with all its rows in all tables.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from messy_migration.errors import PluginError
from messy_migration.ledger.quarantine import Entry
from messy_migration.model import RECORD, Batch, Partition, Stream, Transformed, Violation
from messy_migration.pipeline.conform import as_table, conform
from messy_migration.pipeline.cut import Cut
from messy_migration.pipeline.records import numbers, only, present, without
from messy_migration.pipeline.rules import Unstorable, check, repeated_keys
from messy_migration.registry import Registry

DUPLICATE = "core.duplicate"


@dataclass(frozen=True)
class Prepared:
    """A batch that is ready to be written.

    Attributes:
        extracted: records, all of them.
        tables: table name -> rows, in the declared columns and the record column.
        entries: records for the quarantine.
        filtered: rule -> records left out on purpose.
        warnings: violations that stop nothing.
        cut: where the records came from.
    """

    extracted: int
    tables: Mapping[str, pa.Table]
    entries: tuple[Entry, ...]
    filtered: Mapping[str, int]
    warnings: int
    cut: Cut
    stream: Stream

    def without(self, violations: list[Violation]) -> Prepared:
        """The same batch after more records went to quarantine."""
        records = {violation.record for violation in violations}
        tables = {name: without(data, records) for name, data in self.tables.items()}
        entries = _entries(self.stream, self.cut, violations, self.tables)
        return replace(self, tables=tables, entries=(*self.entries, *entries))


def prepare(
    registry: Registry, stream: Stream, partition: Partition, cut: Cut, unstorable: Unstorable
) -> Prepared:
    """Take the records of a batch through all hooks and rules.

    Raises:
        PluginError: a hook breaks its contract, or records vanish without a rule.
    """
    first, violations = _first_frame(stream, cut)
    filtered: dict[int, str] = {}
    frames = _fold(registry, stream, partition, cut.ordinal, first, violations, filtered)
    tables: dict[str, pa.Table] = {}
    for name, frame in frames.items():
        if name is None:
            raise PluginError(
                "no transform made tables from the extracted records", f"stream {stream.label}"
            )
        data, misfits = conform(frame, stream.table(name).columns, name, f"stream {stream.label}")
        data, broken = check(stream.table(name), data, unstorable)
        violations += [*misfits, *broken]
        tables[name] = data
    for name, data in tables.items():
        batch = Batch(stream, partition, cut.ordinal, data)
        for plugin, found in registry.call_each("validate", stream=stream, table=name, batch=batch):
            violations += _checked(found, plugin, stream)
    return _settle(stream, cut, tables, violations, filtered)


def _first_frame(stream: Stream, cut: Cut) -> tuple[dict[str | None, pa.Table], list[Violation]]:
    if not cut.tables:
        return {}, []
    try:
        table = pa.concat_tables(cut.tables)
    except pa.ArrowInvalid as error:
        raise PluginError(
            "extract yielded frames of different columns", f"stream {stream.label}"
        ) from error
    table = table.append_column(RECORD, pa.array(np.arange(table.num_rows, dtype=np.int32)))
    where = f"stream {stream.label}, extract"
    if stream.record:
        data, misfits = conform(table, stream.record, stream.name, where)
        return {None: data}, misfits
    name = stream.tables[0].name
    data, misfits = conform(table, stream.tables[0].columns, name, where)
    return {name: data}, misfits


def _fold(
    registry: Registry,
    stream: Stream,
    partition: Partition,
    ordinal: int,
    frames: dict[str | None, pa.Table],
    violations: list[Violation],
    filtered: dict[int, str],
) -> dict[str | None, pa.Table]:
    """Every selected plugin's transform, in order, each on what the one before left."""
    for plugin in registry.names:
        if not registry.implements(plugin, "transform"):
            continue
        folded: dict[str | None, list[pa.Table]] = defaultdict(list)
        for name, data in frames.items():
            step = _Step(registry, plugin, stream, partition, ordinal, name)
            for result, rows in step.apply(data, violations):
                for produced, frame in step.read(result, rows, violations, filtered):
                    folded[produced].append(frame)
        frames = {name: _joined(parts, plugin, stream) for name, parts in folded.items()}
    return frames


@dataclass(frozen=True)
class _Step:
    """One plugin's transform of one table."""

    registry: Registry
    plugin: str
    stream: Stream
    partition: Partition
    ordinal: int
    table: str | None

    @property
    def where(self) -> str:
        return f"plugin {self.plugin}, transform, stream {self.stream.label}"

    def apply(self, data: pa.Table, violations: list[Violation]) -> list[tuple[Any, pa.Table]]:
        """What the hook returns; a record that makes it raise is found by halving."""
        batch = Batch(self.stream, self.partition, self.ordinal, data)
        try:
            result = self.registry.call_one(
                self.plugin, "transform", stream=self.stream, table=self.table, batch=batch
            )
        except PluginError as error:
            cause = error.__cause__
            if cause is None:
                raise
            records = sorted(set(numbers(data)))
            if len(records) > 1:
                middle = len(records) // 2
                return [
                    *self.apply(only(data, records[:middle]), violations),
                    *self.apply(only(data, records[middle:]), violations),
                ]
            violations.append(
                Violation(
                    records[0],
                    self.table or self.stream.name,
                    None,
                    f"{self.plugin}.transform",
                    f"transform raised {type(cause).__name__}",
                )
            )
            return []
        return [(result, data)]

    def read(
        self,
        result: Any,
        before: pa.Table,
        violations: list[Violation],
        filtered: dict[int, str],
    ) -> list[tuple[str | None, pa.Table]]:
        """The frames in a result; refuses records that went missing without a rule."""
        excused: set[int] = set()
        if isinstance(result, Transformed):
            violations += _checked(result.violations, self.plugin, self.stream)
            excused = {item.record for item in result.violations if item.severity == "error"}
            for rule, records in result.filtered.items():
                filtered.update(dict.fromkeys(records, rule))
                excused.update(records)
            result = result.frames
        if result is None:
            return [(self.table, before)]
        if isinstance(result, Mapping):
            frames = [(name, as_table(frame, self.where)) for name, frame in result.items()]
        else:
            frames = [(self.table, as_table(result, self.where))]
        declared = {table.name for table in self.stream.tables}
        for name, _ in frames:
            if name is not None and name not in declared:
                raise PluginError(
                    f"transform made a table {name!r} of which the stream knows nothing", self.where
                )
        left = present(frame for _, frame in frames)
        known = present([before])
        lost, new = known - left - excused, left - known
        if lost or new:
            raise PluginError(
                "transform lost records without naming a rule"
                if lost
                else "transform made records up",
                self.where,
                f"{len(lost or new)} of {len(known)} records",
                "return Transformed with violations or filtered records",
            )
        return frames


def _joined(parts: list[pa.Table], plugin: str, stream: Stream) -> pa.Table:
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise PluginError(
            "transform returned frames of different columns for one table",
            f"plugin {plugin}, stream {stream.label}",
        ) from error


def _checked(found: Any, plugin: str, stream: Stream) -> list[Violation]:
    violations = list(found or ())
    for violation in violations:
        if not isinstance(violation, Violation):
            raise PluginError(
                "a hook gave something that is no Violation",
                f"plugin {plugin}, stream {stream.label}",
                f"it is a {type(violation).__name__}",
            )
    return violations


def _settle(
    stream: Stream,
    cut: Cut,
    tables: dict[str, pa.Table],
    violations: list[Violation],
    filtered: dict[int, str],
) -> Prepared:
    """Set aside what broke a rule, drop what repeats, and account for every record."""
    errors = [item for item in violations if item.severity == "error"]
    gone = {item.record for item in errors} | set(filtered)
    clean = {name: without(data, gone) for name, data in tables.items()}
    contradictions = [
        violation
        for name, data in clean.items()
        for violation in repeated_keys(stream.table(name), data, stream.bookmark)[1]
    ]
    beaten = {item.record for item in contradictions}
    clean = {name: without(data, beaten) for name, data in clean.items()}
    had_rows = present(clean.values())
    for name, data in clean.items():
        drop, _ = repeated_keys(stream.table(name), data, stream.bookmark)
        if drop:
            keep = np.ones(data.num_rows, dtype=bool)
            keep[drop] = False
            clean[name] = data.filter(pa.array(keep))
    repeats = had_rows - present(clean.values())
    counts: Counter[str] = Counter(cut.filtered)
    counts.update(filtered[record] for record in set(filtered) - {item.record for item in errors})
    if repeats:
        counts[DUPLICATE] += len(repeats)
    entries = [
        Entry(item.where, item.rule, item.reason, item.raw, None, item.column)
        for item in cut.rejected
    ]
    entries += _entries(stream, cut, [*errors, *contradictions], tables)
    accounted = len(present(clean.values())) + len(entries) + counts.total()
    if accounted != cut.records:
        raise PluginError(
            "records went missing between extract and load",
            f"stream {stream.label}",
            f"{cut.records} extracted, {accounted} accounted for",
        )
    warnings = len(violations) - len(errors)
    return Prepared(cut.records, clean, tuple(entries), dict(counts), warnings, cut, stream)


def _entries(
    stream: Stream, cut: Cut, violations: list[Violation], tables: Mapping[str, pa.Table]
) -> list[Entry]:
    """One entry a record: its first violation, and the reasons of all."""
    by_record: dict[int, list[Violation]] = defaultdict(list)
    for violation in violations:
        by_record[violation.record].append(violation)
    entries = []
    for record, found in sorted(by_record.items()):
        origin = cut.origin(record)
        raw = origin.raw if origin else _rows_as_json(tables, record)
        place = origin.where if origin else f"{stream.label}, batch {cut.ordinal}, record {record}"
        first = found[0]
        reasons = "; ".join(
            dict.fromkeys(
                f"{item.column}: {item.message}" if item.column else item.message for item in found
            )
        )
        entries.append(Entry(place, first.rule, reasons, raw, first.table, first.column))
    return entries


def _rows_as_json(tables: Mapping[str, pa.Table], record: int) -> bytes:
    rows = {
        name: only(data, [record]).drop_columns([RECORD]).to_pylist()
        for name, data in tables.items()
    }
    return json.dumps(rows, default=str, ensure_ascii=False, sort_keys=True).encode()
