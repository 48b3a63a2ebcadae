"""Cuts bytes into CSV records: strict quoting, every line end, and no record that eats the rest.

Parity of the quotes says which line ends are record ends, for a whole buffer at once. A quote
that cannot be where it is breaks the record it stands in; that record costs its first physical
line, and the scan begins anew on the next one. What this module does not know: encodings,
headers, columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
"""Byte positions in a buffer."""

RECORD_LIMIT = 16 << 20
"""The longest record in bytes, line end included; a longer one is taken for an unclosed quote."""

_LF, _CR = 10, 13


@dataclass(frozen=True, slots=True)
class Dialect:
    """Delimiter and quote as byte values, and the longest record that is believed."""

    delimiter: int
    quote: int | None
    limit: int = RECORD_LIMIT


@dataclass(frozen=True, slots=True)
class Broken:
    """A physical line that is no record: its bytes without line end, its number, and why."""

    start: int
    end: int
    line: int
    reason: str


@dataclass(frozen=True)
class Block:
    """The records that end in one buffer.

    Attributes:
        data: the buffer.
        starts, ends: of each record, without its line end.
        nexts: the position behind each record's line end.
        broken: lines that break the quoting rules.
        line: the number of the first physical line.
        line_ends, quotes: where the buffer has them.
        delimiter: as a byte value.
    """

    data: bytes
    starts: Positions
    ends: Positions
    nexts: Positions
    broken: tuple[Broken, ...]
    line: int
    line_ends: Positions = field(repr=False)
    quotes: Positions = field(repr=False)
    delimiter: int

    # Asked for where a record is wrong, so in hardly any block.
    @cached_property
    def lines(self) -> Positions:
        """The number of the physical line on which each record starts."""
        return self.line + np.searchsorted(self.line_ends, self.starts)

    @cached_property
    def fields(self) -> Positions:
        """Delimiters outside quotes, plus one, of each record."""
        text = np.frombuffer(self.data, np.uint8)
        delimiters = _positions(text, self.data, self.delimiter)
        return _fields(delimiters, self.quotes, self.starts, self.ends)

    def since(self, first: int) -> Block:
        """The same buffer without its first records."""
        return replace(
            self, starts=self.starts[first:], ends=self.ends[first:], nexts=self.nexts[first:]
        )

    def record(self, i: int) -> bytes:
        """The bytes of record i."""
        return self.data[int(self.starts[i]) : int(self.ends[i])]


@dataclass(frozen=True, slots=True)
class Scan:
    """What came of one buffer.

    Attributes:
        block: its records.
        consumed: how many of its bytes are done with.
        line: the number of the physical line behind them.
        inside_giant: whether they end inside a line that is longer than the limit.
    """

    block: Block
    consumed: int
    line: int
    inside_giant: bool


def blocks(read: Callable[[int], bytes], dialect: Dialect, size: int) -> Iterator[Block]:
    """All records behind `read`, in blocks of about `size` bytes.

    Args:
        read: gives at most that many bytes, none only at the end.
        dialect: delimiter, quote and limit.
        size: bytes to read at a time. The records do not depend on it.
    """
    tail, line, inside_giant, final = b"", 1, False, False
    while not final:
        # Doubling keeps the work linear when one record is longer than many blocks.
        piece = read(max(size, len(tail)))
        final = not piece
        data = tail + piece
        if inside_giant:
            rest = _behind_line_end(data, final=final)
            if rest is None:
                tail = data[-1:] if data.endswith(b"\r") and not final else b""
                continue
            data, line, inside_giant = rest, line + 1, False
        scan = scan_records(data, dialect, line=line, final=final)
        tail, line, inside_giant = data[scan.consumed :], scan.line, scan.inside_giant
        if len(scan.block.starts) or scan.block.broken:
            yield scan.block


def scan_records(data: bytes, dialect: Dialect, *, line: int, final: bool) -> Scan:
    """The records of a buffer that starts at the start of a record.

    Args:
        data: the buffer.
        dialect: delimiter, quote and limit.
        line: number of the first physical line.
        final: whether the end of the buffer is the end of the file.
    """
    text = np.frombuffer(data, np.uint8)
    ends = _line_ends(text, data, final=final)
    quotes = _positions(text, data, dialect.quote)
    walk = _Walk(data, dialect, ends, quotes, _quote_faults(text, quotes, dialect))
    walk.run(line, final=final)
    starts, last = walk.starts(), walk.lasts()
    stops = last.copy()
    if len(last):
        inside = np.minimum(last, len(data) - 1)
        crlf = (text[inside] == _LF) & (last > 0) & (text[np.maximum(inside, 1) - 1] == _CR)
        stops -= crlf & (last < len(data))
    block = Block(
        data=data,
        starts=starts,
        ends=stops,
        nexts=np.minimum(last + 1, len(data)),
        broken=tuple(walk.broken),
        line=line,
        line_ends=ends,
        quotes=quotes,
        delimiter=dialect.delimiter,
    )
    done = line + int(np.searchsorted(ends, walk.consumed))
    return Scan(block, walk.consumed, done, walk.inside_giant)


class _Walk:
    """Goes from broken record to broken record; all between two of them is taken in one slice."""

    def __init__(
        self,
        data: bytes,
        dialect: Dialect,
        ends: Positions,
        quotes: Positions,
        faults: tuple[Positions, Positions],
    ) -> None:
        self._data, self._limit = data, dialect.limit
        self._ends, self._quotes, self._faults = ends, quotes, faults
        if len(quotes):
            odd = np.searchsorted(quotes, ends) & 1
            self._record_ends = (ends[odd == 0], ends[odd == 1])
        else:
            self._record_ends = (ends, ends[:0])
        self._starts: list[Positions] = []
        self._lasts: list[Positions] = []
        self.broken: list[Broken] = []
        self.consumed = 0
        self.inside_giant = False

    def starts(self) -> Positions:
        return np.concatenate(self._starts) if self._starts else np.empty(0, np.int64)

    def lasts(self) -> Positions:
        """The last byte of each record's line end; the size of the buffer where none is left."""
        return np.concatenate(self._lasts) if self._lasts else np.empty(0, np.int64)

    def run(self, line: int, *, final: bool) -> None:
        size = len(self._data)
        while self.consumed < size:
            fault, giant = self._take()
            start = self.consumed
            if start >= size:
                return
            if giant or (fault is not None and fault - start >= self._limit):
                reason = f"is longer than {self._limit} bytes, as after a quote that never closes"
            elif fault is not None:
                reason = "holds a quote where none may be"
            elif size - start > self._limit:
                reason = f"is longer than {self._limit} bytes, as after a quote that never closes"
            elif final:
                reason = "opens a quote that never closes"
            else:
                return
            dropped = self._drop_line(line, f"the record that starts here {reason}")
            if not dropped or self.inside_giant:
                return

    def _take(self) -> tuple[int | None, bool]:
        """Take whole records up to the next fault; its position, and whether one is too long."""
        start = self.consumed
        first = int(np.searchsorted(self._quotes, start))
        ends, faults = self._record_ends[first & 1], self._faults[first & 1]
        nth = int(np.searchsorted(faults, first))
        fault = int(self._quotes[faults[nth]]) if nth < len(faults) else None
        stop = len(ends) if fault is None else int(np.searchsorted(ends, fault))
        last = ends[int(np.searchsorted(ends, start)) : stop]
        starts = np.empty_like(last)
        starts[:1] = start
        starts[1:] = last[:-1] + 1
        long = np.flatnonzero(np.minimum(last + 1, len(self._data)) - starts > self._limit)
        if len(long):
            starts, last = starts[: long[0]], last[: long[0]]
        if len(last):
            self._starts.append(starts)
            self._lasts.append(last)
            self.consumed = min(int(last[-1]) + 1, len(self._data))
        return fault, bool(len(long))

    def _drop_line(self, line: int, reason: str) -> bool:
        """Give up the line that starts here; False if its end is not in the buffer yet."""
        start, size = self.consumed, len(self._data)
        nth = int(np.searchsorted(self._ends, start))
        if nth < len(self._ends):
            last = int(self._ends[nth])
            end = last
            if last < size and self._data[last] == _LF and self._data[start:last].endswith(b"\r"):
                end -= 1
            after = min(last + 1, size)
        elif size - start > self._limit:
            # A \r at the end of the buffer may be the line's end: the next block will tell.
            end = after = size - self._data.endswith(b"\r")
            self.inside_giant = True
        else:
            return False
        if after - start > self._limit or self.inside_giant:
            # A line that long has no end in sight: what the quarantine keeps must be bounded.
            end = min(end, start + self._limit)
            reason = f"the line is longer than {self._limit} bytes; only its start is kept"
        self.broken.append(Broken(start, end, line + nth, reason))
        self.consumed = after
        return True


def _behind_line_end(data: bytes, *, final: bool) -> bytes | None:
    """What follows the first line end; None if it is not there or not whole yet."""
    ends = [i for i in (data.find(b"\n"), data.find(b"\r")) if i >= 0]
    if not ends:
        return None
    i = min(ends)
    if data[i] == _CR:
        if i + 1 == len(data) and not final:
            return None
        if data[i + 1 : i + 2] == b"\n":
            i += 1
    return data[i + 1 :]


def _line_ends(text: NDArray[np.uint8], data: bytes, *, final: bool) -> Positions:
    """The last byte of every line end; the size of the buffer for a last line without one."""
    ends = np.flatnonzero(text == _LF)
    if b"\r" in data:
        returns = np.flatnonzero(text == _CR)
        # Whether a \r at the end of the buffer stands alone is known with the next block only.
        certain = returns if final else returns[returns < len(data) - 1]
        followed = text[np.minimum(certain + 1, len(data) - 1)] == _LF
        alone = certain[~followed]
        if len(alone):
            ends = np.sort(np.concatenate([ends, alone]))
    if final and data and (not len(ends) or int(ends[-1]) != len(data) - 1):
        ends = np.append(ends, len(data))
    return ends


def _positions(text: NDArray[np.uint8], data: bytes, value: int | None) -> Positions:
    if value is None or data.find(value) < 0:
        return np.empty(0, np.int64)
    return np.flatnonzero(text == value)


def _quote_faults(
    text: NDArray[np.uint8], quotes: Positions, dialect: Dialect
) -> tuple[Positions, Positions]:
    """Indexes of the quotes that break the rules, if even ones open and if odd ones open."""
    if not len(quotes):
        return quotes, quotes
    beside = np.zeros(256, bool)
    beside[[_LF, _CR, dialect.delimiter, dialect.quote or 0]] = True
    opens = beside[text[np.maximum(quotes - 1, 0)]]
    opens[0] |= quotes[0] == 0
    closes = beside[text[np.minimum(quotes + 1, len(text) - 1)]]
    # At the end of the file a quote may close; at the end of a block nobody knows yet.
    closes[-1] |= int(quotes[-1]) == len(text) - 1
    even = np.arange(len(quotes)) % 2 == 0
    return (
        np.flatnonzero(np.where(even, ~opens, ~closes)),
        np.flatnonzero(np.where(even, ~closes, ~opens)),
    )


def _fields(
    delimiters: Positions, quotes: Positions, starts: Positions, stops: Positions
) -> Positions:
    fields = np.searchsorted(delimiters, stops) - np.searchsorted(delimiters, starts) + 1
    if not len(quotes) or not len(delimiters) or not len(starts):
        return fields
    record = np.maximum(np.searchsorted(starts, quotes, side="right") - 1, 0)
    inside = (quotes >= starts[record]) & (quotes < stops[record])
    # A record has whole pairs of quotes; what is not in a record (a broken line) may have not.
    record, quotes = record[inside], quotes[inside]
    passed = np.searchsorted(delimiters, quotes)
    quoted = np.zeros(len(starts), np.int64)
    np.add.at(quoted, record[::2], passed[1::2] - passed[::2])
    return fields - quoted
