"""A CSV file as frames, rejected records and filtered blank lines.

Every record of the file comes out exactly once. Records that are whole go to Arrow's parser, all
columns as text; the scanner has counted them, so that nothing can appear or get lost there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import IO, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from messy_migration.errors import MigrationError
from messy_migration.model import Extracted, Filtered, Frame, Origin, Rejected
from messy_migration_files.convert import convert
from messy_migration_files.header import Layout, blank, dialect_of, header, matched, positioned
from messy_migration_files.records import Block, Positions, blocks
from messy_migration_files.schema import Schema, SourceColumn
from messy_migration_files.text import as_utf8, offset_before

BLOCK_SIZE = 2 << 20
"""Bytes that are read at a time; what comes out does not depend on it.

Measured on 19 columns: 4 MiB costs 48 MiB more memory and is no faster.
"""

_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class _Origins:
    """Finds the raw record behind a row of a frame, if it is ever asked for."""

    layout: Layout
    block: Block
    records: Positions

    def __call__(self, row: int) -> Origin:
        record = int(self.records[row])
        raw = self.layout.raw(self.block.record(record))
        return Origin(raw, self.layout.where(int(self.block.lines[record])))


def read_csv(
    read: Callable[[int], bytes],
    schema: Schema,
    shown: str,
    *,
    block_size: int = BLOCK_SIZE,
    above: int = 0,
    width: int = 0,
) -> Iterator[Extracted]:
    """The records of a CSV file, block by block.

    Args:
        read: gives at most that many bytes of the file, none only at the end.
        schema: how to read it.
        shown: its name, for the places of records and for messages.
        block_size: bytes to read at a time.
        above: physical lines of the file between its header and what `read` gives behind it.
        width: fields of the first record of a file without header, if `read` starts later.

    Raises:
        SourceError: the file ends before its first record, the header does not fit the schema,
            the encoding is another one, or `read` raises it, after all whole records before.
    """
    text = as_utf8(read, schema.format.encoding, shown)
    layout: Layout | None = None
    is_empty = True
    for piece in blocks(text, dialect_of(schema.format), block_size):
        block, is_empty = piece, False
        if layout is None:
            if schema.format.header:
                layout = matched(header(piece, schema.format, shown), schema, shown)
                layout = replace(layout, above=above)
                block = piece.since(1)
            elif len(piece.starts):
                layout = positioned(width or int(piece.fields[0]), schema, shown)
                layout = replace(layout, above=above)
            else:
                yield from _broken(Layout(shown, schema, 0, ()), piece)
                continue
        yield from _extracted(layout, block)
    if is_empty:
        raise blank(shown)


def _broken(layout: Layout, block: Block) -> Iterator[Rejected]:
    for line in block.broken:
        yield Rejected(
            raw=layout.raw(block.data[line.start : line.end]),
            where=layout.where(line.line),
            reason=line.reason,
            rule="files.quote",
        )


def _extracted(layout: Layout, block: Block) -> Iterator[Extracted]:
    """Everything in a block: broken lines, blank lines, bad records, and the frame of the rest."""
    yield from _broken(layout, block)
    good = np.ones(len(block.starts), bool)
    if layout.width > 1:
        blank = block.starts == block.ends
        good &= ~blank
        if blank.any():
            yield Filtered("files.blank_line", int(blank.sum()))
    bad = {record: fault for record, fault in _unreadable(layout, block).items() if good[record]}
    good[list(bad)] = False
    clean = np.flatnonzero(good)
    cells = _parsed(layout, block, clean)
    if cells is None:
        ragged = _ragged(layout, block, clean)
        good[list(ragged)] = False
        bad |= ragged
        clean = np.flatnonzero(good)
        cells = _parsed(layout, block, clean)
        if cells is None:
            raise _disagreement(layout, len(clean), "another number of fields")
    for record in sorted(bad):
        yield _rejected(layout, block, record, *bad[record])
    if len(clean):
        yield from _frame(layout, block, clean, cells)


def _rejected(layout: Layout, block: Block, record: int, rule: str, reason: str) -> Rejected:
    raw, where = layout.raw(block.record(record)), layout.where(int(block.lines[record]))
    return Rejected(raw, where, reason, rule)


def _unreadable(layout: Layout, block: Block) -> dict[int, tuple[str, str]]:
    """Records whose bytes are no text: record -> rule and reason."""
    reasons: dict[int, tuple[str, str]] = {}
    if 0 in block.data and not layout.schema.strips_nul:
        for record in _records_at(block, np.frombuffer(block.data, np.uint8) == 0):
            reasons[record] = ("files.nul", "holds a NUL byte")
    for record, offset in _undecodable(block):
        encoding = layout.schema.format.encoding
        at = offset_before(block.record(record), offset, encoding)
        reason = f"the bytes from {at} of the record are not {encoding}"
        reasons.setdefault(record, ("files.encoding", reason))
    return reasons


def _ragged(layout: Layout, block: Block, clean: Positions) -> dict[int, tuple[str, str]]:
    """Records that have more or fewer fields than the file: record -> rule and reason."""
    than = "header" if layout.schema.format.header else "first record"
    return {
        record: (
            "files.ragged",
            f"{int(block.fields[record])} fields, {than} has {layout.width}",
        )
        for record in clean[block.fields[clean] != layout.width].tolist()
    }


def _records_at(block: Block, marked: NDArray[np.bool_]) -> list[int]:
    """The records that hold a marked byte."""
    at = np.flatnonzero(marked)
    record = np.searchsorted(block.starts, at, side="right") - 1
    at, record = at[record >= 0], record[record >= 0]
    inside = at < block.ends[record]
    return [int(number) for number in np.unique(record[inside])]


def _undecodable(block: Block) -> Iterator[tuple[int, int]]:
    """Records that are no UTF-8, with the position of their first wrong byte."""
    if block.data.isascii() or _is_utf8(block.data):
        return
    for record in _records_at(block, np.frombuffer(block.data, np.uint8) > 127):
        try:
            block.record(record).decode("utf-8")
        except UnicodeDecodeError as error:
            yield record, error.start


def _is_utf8(data: bytes) -> bool:
    offsets: Any = np.array([0, len(data)], np.int32)
    try:
        pa.StringArray.from_buffers(1, pa.py_buffer(offsets), pa.py_buffer(data)).validate(
            full=True
        )
    except pa.ArrowInvalid:
        return False
    return True


def _frame(layout: Layout, block: Block, clean: Positions, cells: pa.Table) -> Iterator[Extracted]:
    columns: list[pa.Array[Any]] = []
    faults: dict[int, tuple[SourceColumn, str]] = {}
    for column, index in zip(layout.schema.columns, layout.places, strict=True):
        texts = cast("pa.StringArray", cells.column(str(index)).combine_chunks())
        converted = convert(texts, column)
        columns.append(converted.values)
        for row, reason in converted.faults.items():
            faults.setdefault(row, (column, reason))
    for row in sorted(faults):
        column, reason = faults[row]
        rejected = _rejected(layout, block, int(clean[row]), "files.type", reason)
        yield replace(rejected, column=column.name)
    table = pa.Table.from_arrays(columns, names=list(layout.schema.table.names))
    if faults:
        kept = np.ones(len(clean), bool)
        kept[list(faults)] = False
        table, clean = table.filter(pa.array(kept)), clean[kept]
    if len(clean):
        yield Frame(table, _Origins(layout, block, clean))


def _joined(block: Block, clean: Positions) -> bytes | memoryview:
    """The bytes of the clean records, copied only if something between them is left out."""
    last = np.flatnonzero(block.nexts[clean[:-1]] != block.starts[clean[1:]])
    firsts = block.starts[clean[np.concatenate([[0], last + 1])]].tolist()
    stops = block.nexts[clean[np.concatenate([last, [len(clean) - 1]])]].tolist()
    view = memoryview(block.data)
    pieces = [view[start:stop] for start, stop in zip(firsts, stops, strict=True)]
    data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    # Arrow takes a byte order mark off; here it would be the first cell's.
    return b"".join([_MARK, data]) if data[:3] == _MARK else data


def _parsed(layout: Layout, block: Block, clean: Positions) -> pa.Table | None:
    """The cells of the clean records as text; None if some have another number of fields.

    The parser counts the fields of every record while it parses, so that nothing else has to.
    """
    declared = layout.schema.format
    names = [str(index) for index in range(layout.width)]
    if not len(clean):
        return pa.table({name: pa.array([], pa.string()) for name in names})
    data = _joined(block, clean)
    try:
        table = pa_csv.read_csv(
            cast("IO[bytes]", pa.BufferReader(data)),
            read_options=pa_csv.ReadOptions(
                use_threads=False, block_size=len(data) + 1, column_names=names
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=declared.delimiter,
                quote_char=declared.quote or False,
                double_quote=bool(declared.quote),
                escape_char=False,
                newlines_in_values=bool(declared.quote),
                ignore_empty_lines=False,
            ),
            convert_options=pa_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=[str(index) for index in sorted(set(layout.places))],
                null_values=declared.null,
                strings_can_be_null=True,
                quoted_strings_can_be_null=declared.quoted_null,
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != len(clean):
        raise _disagreement(layout, len(clean), f"{table.num_rows} records")
    return table


def _disagreement(layout: Layout, records: int, scanned: str) -> MigrationError:
    return MigrationError(
        "two ways of counting records disagree",
        layout.shown,
        f"the scanner found {records} records, the parser {scanned}",
        "report this as a defect, with the quoting rules of the file",
    )
