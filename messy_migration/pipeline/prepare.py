"""From extracted records to rows that may be written: transform, validate, set aside.

Knows no database. A record that breaks a rule leaves with all its rows in all tables.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from messy_migration.errors import PluginError
from messy_migration.fingerprint.arrays import from_flags, from_numbers
from messy_migration.ledger.quarantine import Entry
from messy_migration.model import (
    RECORD,
    Batch,
    Extraction,
    Fingerprint,
    Partition,
    Stream,
    Transformed,
    Violation,
)
from messy_migration.pipeline.conform import as_table, conform
from messy_migration.pipeline.cut import Cut
from messy_migration.pipeline.entries import entries_of, rejected_entries
from messy_migration.pipeline.losses import Changed
from messy_migration.pipeline.records import count, numbers, only, present, without
from messy_migration.pipeline.rules import (
    CRASH,
    DUPLICATE,
    Repeats,
    Unstorable,
    check,
    repeated_keys,
)
from messy_migration.pipeline.shape import (
    columns_between,
    finished,
    frame_columns,
    frame_name,
    table_names,
)
from messy_migration.registry import Registry


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
        changed: what declared losses have changed.
        extraction: what the rows were before any hook, where the source is asked for its proof.
        sent: table -> the fingerprint of its rows, where that is known already.
    """

    extracted: int
    tables: Mapping[str, pa.Table]
    entries: tuple[Entry, ...]
    filtered: Mapping[str, int]
    warnings: int
    cut: Cut
    stream: Stream
    changed: Changed = field(default_factory=dict)
    extraction: Extraction = field(default_factory=Extraction)
    sent: Mapping[str, Fingerprint] = field(default_factory=dict)

    def without(self, violations: list[Violation]) -> Prepared:
        """The same batch after more records went to quarantine."""
        records = {violation.record for violation in violations}
        tables = {name: without(data, records) for name, data in self.tables.items()}
        entries = entries_of(self.stream, self.cut, violations, self.tables)
        return replace(self, tables=tables, entries=(*self.entries, *entries), sent={})


def prepare_batch(
    registry: Registry, stream: Stream, partition: Partition, cut: Cut, unstorable: Unstorable
) -> Prepared:
    """Take the records of a batch through all hooks and rules.

    Raises:
        PluginError: a hook breaks its contract, or records vanish without a rule.
    """
    changed: Changed = {}
    first, violations = _first_frame(stream, cut, changed)
    filtered: dict[int, str] = {}
    fold = _Fold(registry, stream, partition, cut.ordinal, changed)
    frames = finished(stream, fold.apply(first, violations, filtered), changed, violations)
    tables: dict[str, pa.Table] = {}
    for name, frame in frames.items():
        if name is None:
            raise PluginError(
                "no transform made tables from the extracted records", f"stream {stream.label}"
            )
        tables[name], broken = check(stream.table(name), frame, unstorable)
        violations += broken
    for name, data in tables.items():
        batch = Batch(stream, partition, cut.ordinal, data)
        for plugin, answer in registry.call_each(
            "validate", stream=stream, table=name, batch=batch
        ):
            violations += _checked(answer, plugin, stream, present([data]))
    return replace(_settle(stream, cut, tables, violations, filtered), changed=changed)


def condemned(stream: Stream, cut: Cut, why: str) -> Prepared:
    """A batch of one record that goes to quarantine unlooked at, because workers died of it."""
    name = frame_name(stream)
    numbered = np.zeros(cut.rows, dtype=np.int32)
    rows = pa.concat_tables(cut.tables).append_column(RECORD, pa.array(numbered))
    violation = Violation(0, name, None, CRASH, why)
    entries = [*rejected_entries(stream, cut), *entries_of(stream, cut, [violation], {name: rows})]
    return Prepared(cut.records, {}, tuple(entries), dict(cut.filtered), 0, cut, stream)


def _first_frame(
    stream: Stream, cut: Cut, changed: Changed
) -> tuple[dict[str | None, pa.Table], list[Violation]]:
    if not cut.tables:
        return {}, []
    where = f"stream {stream.label}, extract"
    if any(RECORD in table.column_names for table in cut.tables):
        raise PluginError(f"extract yielded a frame with a column {RECORD}", where)
    try:
        pieces = [pa.concat_tables(cut.tables)]
    except pa.ArrowInvalid:
        # Types that were inferred (NULLs only, digits of a decimal) differ from frame to frame.
        pieces = cut.tables
    parts = []
    violations: list[Violation] = []
    start = 0
    for piece in pieces:
        numbered = np.arange(start, start + piece.num_rows, dtype=np.int32)
        data, misfits = conform(
            piece.append_column(RECORD, from_numbers(numbered, pa.int32())),
            frame_columns(stream),
            frame_name(stream),
            where,
            changed,
        )
        parts.append(data)
        violations += misfits
        start += piece.num_rows
    name = None if stream.as_offered.record else frame_name(stream)
    return {name: pa.concat_tables(parts)}, violations


@dataclass(frozen=True)
class _Fold:
    """Every selected plugin's transform, in order, each on what the one before left."""

    registry: Registry
    stream: Stream
    partition: Partition
    ordinal: int
    changed: Changed

    def apply(
        self,
        frames: dict[str | None, pa.Table],
        violations: list[Violation],
        filtered: dict[int, str],
    ) -> dict[str | None, pa.Table]:
        """The frames after all transforms."""
        for plugin in self.registry.names:
            if not self.registry.implements(plugin, "transform"):
                continue
            folded: dict[str | None, list[pa.Table]] = defaultdict(list)
            for name, data in frames.items():
                step = _Step(self, plugin, name)
                for result, rows in step.apply(data, violations):
                    for produced, frame in step.read(result, rows, violations, filtered):
                        folded[produced].append(frame)
            frames = {name: pa.concat_tables(parts) for name, parts in folded.items()}
        return frames


@dataclass(frozen=True)
class _Step:
    """One plugin's transform of one table."""

    fold: _Fold
    plugin: str
    table: str | None

    @property
    def stream(self) -> Stream:
        return self.fold.stream

    @property
    def where(self) -> str:
        return f"plugin {self.plugin}, transform, stream {self.stream.label}"

    def apply(self, data: pa.Table, violations: list[Violation]) -> list[tuple[Any, pa.Table]]:
        """What the hook returns; a record that makes it raise is found by halving."""
        batch = Batch(self.stream, self.fold.partition, self.fold.ordinal, data)
        try:
            result = self.fold.registry.call_one(
                self.plugin, "transform", stream=self.stream, table=self.table, batch=batch
            )
        except PluginError as error:
            cause = error.__cause__
            if cause is None:
                raise
            records = sorted(set(numbers(data)))
            if not records:
                raise
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
        """The frames in a result, in their declared types.

        Refuses records that went missing without a rule.
        """
        records_before = present([before])
        excused: set[int] = set()
        if isinstance(result, Transformed):
            violations += _checked(result.violations, self.plugin, self.stream, records_before)
            excused = {
                violation.record for violation in result.violations if violation.severity == "error"
            }
            for rule, records in result.filtered.items():
                if not records_before.issuperset(records):
                    raise PluginError(
                        "transform filtered records that it was not shown",
                        self.where,
                        f"rule {rule}",
                    )
                filtered.update(dict.fromkeys(records, rule))
                excused.update(records)
            result = result.frames
        if result is None:
            return [(self.table, before)]
        if isinstance(result, Mapping):
            frames = [(name, as_table(frame, self.where)) for name, frame in result.items()]
        else:
            frames = [(self.table, as_table(result, self.where))]
        declared = table_names(self.stream)
        for name, _ in frames:
            if name is not None and name not in declared:
                raise PluginError(
                    f"transform made a table {name!r} of which the stream knows nothing", self.where
                )
        records_after = present(frame for _, frame in frames)
        lost, new = records_before - records_after - excused, records_after - records_before
        if lost or new:
            raise PluginError(
                "transform lost records without naming a rule"
                if lost
                else "transform made records up",
                self.where,
                f"{len(lost or new)} of {len(records_before)} records",
                "return Transformed with violations or filtered records",
            )
        return [(name, self._conformed(name, frame, violations)) for name, frame in frames]

    def _conformed(
        self, name: str | None, frame: pa.Table, violations: list[Violation]
    ) -> pa.Table:
        columns = columns_between(self.stream, name, frame)
        data, misfits = conform(
            frame, columns, name or self.stream.name, self.where, self.fold.changed
        )
        violations += misfits
        return data


def _checked(answer: Any, plugin: str, stream: Stream, records: set[int]) -> list[Violation]:
    violations = list(answer or ())
    for violation in violations:
        if not isinstance(violation, Violation):
            raise PluginError(
                "a hook gave something that is no Violation",
                f"plugin {plugin}, stream {stream.label}",
                f"it is a {type(violation).__name__}",
            )
        if violation.record not in records:
            raise PluginError(
                "a hook gave a violation of a record that it was not shown",
                f"plugin {plugin}, stream {stream.label}",
                f"rule {violation.rule}, record {violation.record}",
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
    errors = [violation for violation in violations if violation.severity == "error"]
    gone = {violation.record for violation in errors} | set(filtered)
    clean = {name: without(data, gone) for name, data in tables.items()}
    repeats_of_tables = [
        repeated_keys(stream.table(name), data, stream.bookmark) for name, data in clean.items()
    ]
    contradictions = [violation for same in repeats_of_tables for violation in same.contradictions]
    beaten = {violation.record for violation in contradictions}
    repeats: set[int] = set()
    if any(same != Repeats() for same in repeats_of_tables):
        had_rows = present(clean.values()) - beaten
        beaten.update(record for same in repeats_of_tables for record in same.echoes)
        clean = {name: _once(stream, name, without(data, beaten)) for name, data in clean.items()}
        repeats = had_rows - present(clean.values())
    counts: Counter[str] = Counter(cut.filtered)
    counts.update(
        filtered[record] for record in set(filtered) - {violation.record for violation in errors}
    )
    if repeats:
        counts[DUPLICATE] += len(repeats)
    entries = rejected_entries(stream, cut)
    entries += entries_of(stream, cut, [*errors, *contradictions], tables)
    accounted = count(clean.values()) + len(entries) + counts.total()
    if accounted != cut.records:
        raise PluginError(
            "records went missing between extract and load",
            f"stream {stream.label}",
            f"{cut.records} extracted, {accounted} accounted for",
        )
    warnings = len(violations) - len(errors)
    return Prepared(cut.records, clean, tuple(entries), dict(counts), warnings, cut, stream)


def _once(stream: Stream, name: str, data: pa.Table) -> pa.Table:
    """The rows without those that repeat or are older."""
    drop = repeated_keys(stream.table(name), data, stream.bookmark).drop
    if not drop:
        return data
    keep = np.ones(data.num_rows, dtype=bool)
    keep[list(drop)] = False
    return data.filter(from_flags(keep))
