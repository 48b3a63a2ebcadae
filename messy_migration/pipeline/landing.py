"""Land a partition: write what an API answered to one file, whole, before any of it is loaded.

An API is not asked twice for what has landed. The file is an Arrow IPC file of the extracted
records, rejected ones included; it appears under its name only when it is complete and on disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from messy_migration.config.whole import appearing
from messy_migration.errors import SourceError, TargetError
from messy_migration.ledger.landings import Landed
from messy_migration.model import Extracted, Filtered, Frame, Origin, Rejected, Stream
from messy_migration.model.conversion import cast_table
from messy_migration.pipeline.declared import metadata
from messy_migration.pipeline.shape import frame_columns

ROWS = 5_000
_FRAME, _REJECTED, _FILTERED = 0, 1, 2
_FIELDS: list[pa.Field[Any]] = [
    pa.field("_kind", pa.int8()),
    pa.field("_where", pa.string()),
    pa.field("_raw", pa.binary()),
    pa.field("_rule", pa.string()),
    pa.field("_reason", pa.string()),
    pa.field("_column", pa.string()),
    pa.field("_count", pa.int64()),
]
_META = pa.schema(_FIELDS)


def path_of(folder: Path, stream: Stream, digest: str, run_id: str) -> Path:
    """Where a partition lands: a name that no source can choose and no other target shares."""
    name = hashlib.sha256(f"{run_id}\n{stream.label}\n{digest}".encode()).hexdigest()[:32]
    return folder / f"{name}.arrow"


def write(path: Path, stream: Stream, pieces: Iterable[Extracted]) -> tuple[Landed, int]:
    """Land a partition.

    Args:
        path: where to.
        stream: of the records.
        pieces: all of them; what it raises leaves no file behind.

    Returns:
        The file, and how many different values the first column of its records has.

    Raises:
        TargetError: the folder or the disk cannot take it.
    """
    schema = _schema(stream)
    declared = schema.with_metadata(metadata(stream))
    names: set[object] = set()
    records = 0
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _clear(path)
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with appearing(path) as file, pa.ipc.new_file(file, declared, options=options) as writer:
            for part in _parts(stream, pieces, schema):
                names.update(pc.unique(part.column(0)).to_pylist())
                records += pc.sum(part.column("_count")).as_py() or 0
                writer.write_table(part)
    except OSError as error:
        raise TargetError(
            "a partition cannot be landed",
            str(path.parent),
            error.strerror or type(error).__name__,
            "make space there, or set `landing` in the profile to another folder",
        ) from error
    return Landed(str(path), digest_of(path), records), len(names - {None})


def read(landed: Landed, stream: Stream) -> Iterator[Extracted]:
    """The records of a landed partition, in the order in which they landed.

    Raises:
        SourceError: the file is gone or is not what was landed.
    """
    path = unchanged(landed, stream.label)
    columns = [column.name for column in _columns(stream)]
    with pa.ipc.open_file(str(path)) as reader:
        for number in range(reader.num_record_batches):
            part = pa.Table.from_batches([reader.get_batch(number)])
            yield from _items(part.replace_schema_metadata(), columns)


def unchanged(landed: Landed, label: str) -> Path:
    """The path of a landed file that is what was landed.

    Raises:
        SourceError: the file is gone or is not what was landed.
    """
    path = Path(landed.path)
    if not path.is_file() or digest_of(path) != landed.sha256:
        raise SourceError(
            "a landed file is gone or was changed",
            f"stream {label}, {path.name}",
            "what was loaded from it cannot be read again",
            "restore the file",
        )
    return path


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _columns(stream: Stream) -> tuple[pa.Field[Any], ...]:
    return tuple(pa.field(column.name, column.type.arrow) for column in frame_columns(stream))


def _schema(stream: Stream) -> pa.Schema:
    return pa.schema([*_columns(stream), *_META])


def _parts(stream: Stream, pieces: Iterable[Extracted], schema: pa.Schema) -> Iterator[pa.Table]:
    """Frames in slices; runs of other records in parts of their own."""
    others: list[Rejected | Filtered] = []
    for piece in pieces:
        if isinstance(piece, Frame):
            if others:
                yield _other_part(others, schema)
                others = []
            for start in range(0, piece.table.num_rows, ROWS):
                yield _frame_part(stream, piece, start, schema)
            continue
        others.append(piece)
        if len(others) >= ROWS:
            yield _other_part(others, schema)
            others = []
    if others:
        yield _other_part(others, schema)


def _frame_part(stream: Stream, frame: Frame, start: int, schema: pa.Schema) -> pa.Table:
    rows = frame.table.slice(start, ROWS)
    names = [column.name for column in _columns(stream)]
    try:
        data = cast_table(rows.select(names), pa.schema(_columns(stream)))
    except (KeyError, pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise SourceError(
            "extracted records do not have the declared columns",
            f"stream {stream.label}",
            type(error).__name__,
        ) from error
    count = rows.num_rows
    origins = [frame.origin(start + row) if frame.origin else None for row in range(count)]
    meta: dict[str, list[Any]] = {
        "_kind": [_FRAME] * count,
        "_where": [origin.where if origin else None for origin in origins],
        "_raw": [origin.raw if origin else None for origin in origins],
        "_count": [1] * count,
    }
    return _with_meta(data, meta, schema)


def _other_part(others: list[Rejected | Filtered], schema: pa.Schema) -> pa.Table:
    count = len(others)
    data = pa.table(
        {
            field.name: pa.nulls(count, field.type)
            for field in schema
            if field.name not in _META.names
        }
    )
    rejected = [piece if isinstance(piece, Rejected) else None for piece in others]
    meta: dict[str, list[Any]] = {
        "_kind": [_REJECTED if refusal else _FILTERED for refusal in rejected],
        "_where": [refusal.where if refusal else None for refusal in rejected],
        "_raw": [refusal.raw if refusal else None for refusal in rejected],
        "_rule": [piece.rule for piece in others],
        "_reason": [refusal.reason if refusal else None for refusal in rejected],
        "_column": [refusal.column if refusal else None for refusal in rejected],
        "_count": [1 if isinstance(piece, Rejected) else piece.records for piece in others],
    }
    return _with_meta(data, meta, schema)


def _with_meta(data: pa.Table, meta: dict[str, list[Any]], schema: pa.Schema) -> pa.Table:
    for field in _META:
        cells = meta.get(field.name, [None] * data.num_rows)
        data = data.append_column(field, pa.array(cells, field.type))
    return data.cast(schema)


@dataclass(frozen=True)
class _Origins:
    """Raw records of a landed frame, looked up by row."""

    part: pa.Table

    def __call__(self, row: int) -> Origin:
        raw = self.part.column("_raw")[row].as_py()
        return Origin(raw or b"", self.part.column("_where")[row].as_py() or "")


def _items(part: pa.Table, columns: list[str]) -> Iterator[Extracted]:
    if not part.num_rows:
        return
    if part.column("_kind")[0].as_py() == _FRAME:
        has_origin = part.column("_where").null_count < part.num_rows
        yield Frame(part.select(columns), _Origins(part) if has_origin else None)
        return
    for row in part.select(_META.names).to_pylist():
        if row["_kind"] == _FILTERED:
            yield Filtered(row["_rule"], row["_count"])
        else:
            yield Rejected(row["_raw"], row["_where"], row["_reason"], row["_rule"], row["_column"])


def _clear(path: Path) -> None:
    """Remove what attempts at this partition left behind when they were killed."""
    for temporary in path.parent.glob(f".{path.name}.*"):
        temporary.unlink(missing_ok=True)
