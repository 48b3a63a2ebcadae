"""Cuts a large CSV file into spans of whole records, so that workers can share it.

Whether a line end ends a record depends on all quotes before it, so the file is read from its
start, in the same pass that makes its digest. A file in which any quote is out of place is left
whole: there `records` begins anew on each broken line, and no count of quotes says where it does.
So is a file in an encoding whose bytes may look like a quote or a line end and be none.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from messy_migration_files.header import dialect_of
from messy_migration_files.records import Dialect, Positions, scan_records
from messy_migration_files.schema import Format

SPAN_BYTES = 16 << 20
"""About as many bytes as a span has: a second of work, so that the last one holds nobody up."""
MOST_SPANS = 1_024

# Small enough that what is read stays in the cache while it is hashed and looked through.
_CHUNK = 1 << 18
_LF, _CR = 10, 13
_PLAIN = re.compile(r"utf-8|ascii|iso8859-\d+|cp125\d|cp437|cp850|koi8-[ru]")


@dataclass(frozen=True, slots=True)
class Span:
    """Whole records of a file. They are read as if they followed its header at once.

    Attributes:
        head: bytes of the header, or of the byte order mark where there is no header.
        start, stop: the bytes of the records.
        lines: physical lines between header and records.
        width: fields of the file's first record where there is no header, or 0.
        digest: SHA-256 of the header's and the records' bytes.
    """

    head: int
    start: int
    stop: int
    lines: int
    width: int
    digest: str


def survey_spans(
    file: BinaryIO, size: int, declared: Format | None, span: int = SPAN_BYTES
) -> tuple[str, tuple[Span, ...]]:
    """The digest of a file, and its spans; none if it is small or cannot be cut.

    The same bytes give the same spans, on every machine and for any number of workers.

    Args:
        file: at its start.
        size: of the file, in bytes.
        declared: how it is written; None if it is no plain text.
        span: about as many bytes as a span should have.
    """
    whole = hashlib.sha256()
    if declared is None or size < 2 * span or not _is_plain(declared.encoding):
        for chunk in _chunks(file, size):
            whole.update(chunk)
        return whole.hexdigest(), ()
    count = min(MOST_SPANS, size // span)
    marks = [size * number // count for number in range(1, count)]
    scan = _Scan(dialect_of(declared), declared.header, size, marks)
    for chunk in _chunks(file, size):
        whole.update(chunk)
        scan.take(chunk)
    return whole.hexdigest(), scan.spans()


def _is_plain(encoding: str) -> bool:
    return _PLAIN.fullmatch(codecs.lookup(encoding).name.removesuffix("-sig")) is not None


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    remaining = size
    while remaining and (chunk := file.read(min(_CHUNK, remaining))):
        remaining -= len(chunk)
        yield chunk


@dataclass
class _Scan:
    """Goes through a file chunk by chunk, and cuts it behind the first record after each mark.

    Attributes:
        is_sound: every quote so far is where one may be, and no record is too long.
        cuts: where spans start, and the physical lines before it.
    """

    dialect: Dialect
    has_header: bool
    size: int
    marks: list[int]
    is_sound: bool = True
    cuts: list[tuple[int, int]] = field(default_factory=list)
    _position: int = 0
    _quotes: int = 0
    _lines: int = 0
    _record: int = 0
    _last: bytes = b"\n"
    _head: bytes = b""
    _width: int = 0
    _digests: list[hashlib._Hash] = field(default_factory=list)

    def take(self, chunk: bytes) -> None:
        """Look at the next bytes of the file."""
        if not self.is_sound:
            return
        # With the byte before it, so that a quote has both its neighbours.
        around = np.frombuffer(self._last + chunk, np.uint8)
        text = around[1:]
        quotes = np.empty(0, np.int64)
        if self.dialect.quote is not None and self.dialect.quote in chunk:
            quotes = np.flatnonzero(text == self.dialect.quote)
        feeds = np.flatnonzero(text == _LF)
        is_end = (self._quotes + np.searchsorted(quotes, feeds)) % 2 == 0
        ends = feeds[is_end] + self._position
        self._check_quotes(around, quotes)
        self._check_length(ends, self._position + len(chunk))
        returns = np.empty(0, np.int64)
        if b"\r" in chunk or self._last == b"\r":
            returns = np.flatnonzero((around[:-1] == _CR) & (text != _LF))
        self._cut(chunk, ends, np.sort(np.concatenate([feeds, returns])))
        self._lines += len(feeds) + len(returns)
        self._quotes += len(quotes)
        self._position += len(chunk)
        self._last = chunk[-1:]

    def spans(self) -> tuple[Span, ...]:
        """The spans, once the file was taken to its end."""
        if not self.is_sound or self._quotes % 2 or len(self.cuts) < 2:
            return ()
        stops = [start for start, _ in self.cuts[1:]] + [self.size]
        above = self.cuts[0][1]
        return tuple(
            Span(len(self._head), start, stop, lines - above, self._width, digest.hexdigest())
            for (start, lines), stop, digest in zip(self.cuts, stops, self._digests, strict=True)
        )

    def _check_quotes(self, around: NDArray[np.uint8], quotes: Positions) -> None:
        """Hold each quote against its neighbour on the outside, as `records` does."""
        beside = np.zeros(256, bool)
        beside[[_LF, _CR, self.dialect.delimiter, self.dialect.quote or _LF]] = True
        if not self._position and bytes(around[1:4]) == codecs.BOM_UTF8:
            around = np.concatenate([np.full(4, _LF, np.uint8), around[4:]])
        if self._last == self._quote and self._quotes % 2 == 0:
            self.is_sound &= bool(beside[around[1]])
        opens = (self._quotes + np.arange(len(quotes))) % 2 == 0
        # What stands behind the last byte of a chunk is seen with the next one.
        behind = around[np.minimum(quotes + 2, len(around) - 1)]
        is_inside = quotes + 2 == len(around)
        self.is_sound &= bool(
            (beside[np.where(opens, around[quotes], behind)] | (~opens & is_inside)).all()
        )

    @property
    def _quote(self) -> bytes:
        return b"" if self.dialect.quote is None else bytes([self.dialect.quote])

    def _check_length(self, ends: Positions, stop: int) -> None:
        longest = (int(ends[0]) + 1 if len(ends) else stop) - self._record
        self.is_sound &= longest <= self.dialect.limit
        if len(ends):
            self._record = int(ends[-1]) + 1

    def _cut(self, chunk: bytes, ends: Positions, lines: Positions) -> None:
        done = 0
        if not self.cuts:
            done = len(codecs.BOM_UTF8) if chunk.startswith(codecs.BOM_UTF8) else 0
            # A record that long is none; the file is read whole and says so.
            self.is_sound &= bool(len(ends))
            first = chunk[done : int(ends[0]) + 1] if len(ends) else b""
            if self.has_header:
                done += len(first)
            elif first:
                scan = scan_records(first, self.dialect, line=1, final=True)
                self._width = int(scan.block.fields[0])
            self._head = chunk[:done]
            self._begin(done, lines)
        while self.marks and len(ends) and self.marks[0] <= ends[-1]:
            cut = int(ends[np.searchsorted(ends, self.marks.pop(0))]) + 1
            if self.cuts[-1][0] < cut < self.size:
                self._digests[-1].update(chunk[done : cut - self._position])
                done = cut - self._position
                self._begin(cut, lines)
        self._digests[-1].update(chunk[done:])

    def _begin(self, cut: int, lines: Positions) -> None:
        """A span starts here; `lines` are the ends of the chunk's physical lines."""
        above = self._lines + int(np.searchsorted(lines, cut - self._position))
        self.cuts.append((cut, above))
        self._digests.append(hashlib.sha256(self._head))
