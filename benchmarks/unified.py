"""Four of the unified ticketing tables as CSV files, with the foreign keys between them.

Every value follows from its row's number, so that all runs have the same. The plugin `files`
declares no foreign keys, so a plugin of this benchmark adds them to what it reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from pyarrow import csv

from messy_migration.model import Column, ColumnType, ForeignKey, Table
from messy_migration_ticketing.schema import FIELDS, Field

# The stubs of pyarrow know its kernels for arrays of one known type only.
pc: Any = pyarrow.compute

SHARES = {"events": 0.001, "customers": 0.25, "orders": 0.5, "tickets": 1.0}
"""Rows of each table, as a share of the tickets; parents before children."""

_START = 1_600_000_000
_PLUGIN = """
from dataclasses import replace
from messy_migration.hookspecs import hookimpl
from messy_migration.model import ForeignKey
from messy_migration_files import source
from messy_migration_files.settings import FilesSettings

KEYS = {keys}

def inner(stream):
    return replace(stream, name=stream.name.replace("unified.", "files."))

@hookimpl
def settings_model():
    return FilesSettings

@hookimpl
def streams(settings):
    found = []
    for stream in source.declared(settings):
        (table,) = stream.tables
        keys = tuple(ForeignKey((name,), parent, ("id",)) for name, parent in KEYS[table.name])
        parents = {{parent for _, parent in KEYS[table.name]}} - {{table.name}}
        found.append(replace(
            stream,
            name=stream.name.replace("files.", "unified."),
            tables=(replace(table, foreign_keys=keys),),
            depends_on=tuple(f"unified.{{name}}" for name in sorted(parents)),
        ))
    return found

@hookimpl
def partitions(stream, settings):
    return source.slices(inner(stream), settings)

@hookimpl
def extract(stream, partition, settings):
    return source.records(inner(stream), partition, settings)
"""


def tables() -> tuple[Table, ...]:
    """The tables, with the foreign keys whose parents are among them."""
    return tuple(
        Table(
            name,
            tuple(
                Column(field.name, ColumnType.parse(field.type), required=field.needed)
                for field in FIELDS[name]
            ),
            key=("id",),
            foreign_keys=tuple(ForeignKey((key,), parent, ("id",)) for key, parent in _keys(name)),
        )
        for name in SHARES
    )


def write(folder: Path, rows: int) -> dict[Table, Path]:
    """Write the configuration, the plugin and the files; where the rows of each table are.

    Args:
        folder: an empty one.
        rows: tickets; of the other tables there are fewer.
    """
    counts = {name: max(1, int(rows * share)) for name, share in SHARES.items()}
    lines = ["[profiles.default]", 'plugins = ["unified"]']
    paths = {}
    for table in tables():
        path = folder / f"{table.name}.csv"
        csv.write_csv(_rows(table.name, counts), path)
        _schema(folder / f"{table.name}.toml", table)
        lines += [f"[unified.streams.{table.name}]", f'path = "{path.name}"']
        lines += [f'schema = "{table.name}.toml"']
        paths[table] = path
    (folder / "migrate.toml").write_text("\n".join(lines) + "\n")
    _plugin(folder / "site")
    return paths


def _keys(name: str) -> list[tuple[str, str]]:
    return [(field.name, field.parent) for field in FIELDS[name] if field.parent in SHARES]


def _plugin(site: Path) -> None:
    info = site / "messy_migration_bench_unified-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: messy-migration-bench-unified\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text("[messy_migration]\nunified = bench_unified\n")
    keys = {name: _keys(name) for name in SHARES}
    (site / "bench_unified.py").write_text(_PLUGIN.format(keys=json.dumps(keys)))


def _schema(path: Path, table: Table) -> None:
    lines = [f'table = "{table.name}"', 'key = ["id"]', "[format]", 'kind = "csv"']
    lines += ['encoding = "utf-8"', 'delimiter = ","', 'null = [""]', "[columns]"]
    for column in table.columns:
        required = ", required = true" if column.required else ""
        lines.append(f'{column.name} = {{ type = "{column.type}"{required} }}')
    path.write_text("\n".join(lines) + "\n")


def _rows(name: str, counts: Mapping[str, int]) -> pa.Table:
    numbers = np.arange(counts[name], dtype=np.int64)
    return pa.table({field.name: _cells(name, field, numbers, counts) for field in FIELDS[name]})


def _cells(name: str, field: Field, numbers: Any, counts: Mapping[str, int]) -> Any:
    """The cells of one column; of those that may be missing every seventh is."""
    length = len(field.name)
    if field.name == "id":
        return _uuids(name, numbers)
    if field.type == "uuid":
        cells = _uuids(field.parent, numbers % counts.get(field.parent, 1))
        gone = np.full(len(numbers), field.parent not in counts or field.parent == name)
    else:
        cells = _plain(field, numbers * (2 * length + 1) % 9_973, numbers)
        gone = (numbers + length) % 7 == 0
    return cells if field.needed else pc.if_else(pa.array(gone), pa.scalar(None, cells.type), cells)


def _plain(field: Field, mixed: Any, numbers: Any) -> Any:
    kind = field.type
    if kind == "timestamp":
        seconds = pa.array(_START + numbers * 60)
        return seconds.cast(pa.timestamp("s", "UTC"))
    if kind == "json":
        return pa.array(["{}"] * len(numbers))
    if kind == "bool":
        return pa.array(mixed % 3 == 0)
    if kind.startswith("int"):
        return pa.array(mixed % 90 + 1)
    if kind.startswith("decimal"):
        arrow = ColumnType.parse(kind).arrow
        return pa.array(mixed % 9).cast(pa.decimal256(38, 6)).cast(arrow)
    text = pa.array(mixed).cast(pa.string())
    return pc.binary_join_element_wise(field.name.replace("_", " "), text, " no. ")


def _uuids(table: str, numbers: Any) -> Any:
    """Numbers as uuids: decimal digits are hexadecimal ones too."""
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 12, "0")
    kind = sorted(FIELDS).index(table)
    return pc.binary_join_element_wise(f"{kind:08d}-0000-5000-8000-", digits, "")
