"""The scanner against a reader that goes byte by byte, and at every block size."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from messy_migration_files.records import Dialect, blocks

Found = list[tuple[bytes, int, int]]


def reader(data: bytes) -> Callable[[int], bytes]:
    at = 0

    def read(size: int) -> bytes:
        nonlocal at
        at += size
        return data[at - size : at]

    return read


def scanned(data: bytes, size: int, limit: int = 1 << 20) -> tuple[Found, Found]:
    """Records as (bytes, line, fields), and broken lines as (bytes, line, 0)."""
    good: Found = []
    broken: Found = []
    for block in blocks(reader(data), Dialect(ord(","), ord('"'), limit), size):
        for i in range(len(block.starts)):
            good.append((block.record(i), int(block.lines[i]), int(block.fields[i])))
        broken += [(block.data[b.start : b.end], b.line, 0) for b in block.broken]
    return good, broken


def line_end(data: bytes, at: int) -> int:
    """How many bytes of line end are at a position."""
    if data[at : at + 2] == b"\r\n":
        return 2
    return int(data[at : at + 1] in (b"\r", b"\n"))


def one_record(data: bytes, at: int) -> tuple[int, int] | None:
    """The end of the record at a position, without its line end, and its fields."""
    fields, quoted, fresh = 1, False, True
    while at < len(data):
        byte = data[at : at + 1]
        if quoted:
            if byte == b'"':
                if data[at + 1 : at + 2] == b'"':
                    at += 2
                    continue
                behind = data[at + 1 : at + 2]
                if behind and behind not in b",\r\n":
                    return None
                quoted = False
        elif byte == b'"':
            if not fresh:
                return None
            quoted = True
        elif line_end(data, at):
            return at, fields
        elif byte == b",":
            fields += 1
        fresh = byte == b"," and not quoted
        at += 1
    return None if quoted else (at, fields)


def expected(data: bytes, limit: int = 1 << 20) -> tuple[Found, Found]:
    good: Found = []
    broken: Found = []
    at, line = 0, 1
    while at < len(data):
        found = one_record(data, at)
        end = None if found is None else found[0] + line_end(data, found[0])
        if found is not None and end is not None and end - at <= limit:
            good.append((data[at : found[0]], line, found[1]))
        else:
            stop = at
            while stop < len(data) and not line_end(data, stop):
                stop += 1
            end = stop + line_end(data, stop)
            kept = data[at:stop] if end - at <= limit else data[at : min(stop, at + limit)]
            broken.append((kept, line, 0))
        piece = data[at:end]
        line += piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")
        at = end
    return good, broken


HOSTILE = st.lists(
    st.sampled_from(
        [b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"a", b"bc", b'"x"', b'"\n"', b"\0"]
    ),
    max_size=40,
).map(b"".join)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1 << 20])
@settings(max_examples=400, deadline=None)
@given(data=HOSTILE)
@example(data=b'"a\r\n')
@example(data=b'a,"b\r\nc",d\r')
@example(data=b'""\r""')
def test_scanner_agrees_with_a_byte_by_byte_reader(size: int, data: bytes):
    assert scanned(data, size) == expected(data)


@pytest.mark.parametrize("size", [1, 3, 16, 1 << 20])
@settings(max_examples=400, deadline=None)
@given(data=HOSTILE, limit=st.integers(2, 12))
def test_f14_records_over_the_limit_cost_one_line_at_any_block_size(
    size: int, data: bytes, limit: int
):
    assert scanned(data, size, limit) == expected(data, limit)


def test_f05_unclosed_quote_costs_its_first_line_only():
    data = b'1,"open\n2,b\n3,c\n'
    good, broken = scanned(data, 1 << 20)
    assert [record for record, _, _ in good] == [b"2,b", b"3,c"]
    assert broken == [(b'1,"open', 1, 0)]


def test_f05_unclosed_quote_with_a_quote_far_behind_it_does_not_eat_what_is_between():
    data = b'1,"open\n' + b"2,b\n" * 1000 + b'3,"c"\n'
    good, broken = scanned(data, 64)
    assert len(good) == 1001
    assert good[-1] == (b'3,"c"', 1002, 2)
    assert broken == [(b'1,"open', 1, 0)]


def test_f06_line_numbers_are_physical():
    good, _ = scanned(b'a\r\n"b\nc\r"\rd\n\ne', 2)
    assert [(record, line) for record, line, _ in good] == [
        (b"a", 1),
        (b'"b\nc\r"', 2),
        (b"d", 5),
        (b"", 6),
        (b"e", 7),
    ]


def test_without_a_quote_character_quotes_are_data():
    (block,) = blocks(reader(b'a"b,"c\n'), Dialect(ord(","), None), 100)
    assert block.record(0) == b'a"b,"c'
    assert block.fields.tolist() == [2]


def test_a_file_of_broken_lines_is_read_in_linear_time():
    good, broken = scanned(b'a"b\n' * 20_000, 1 << 20)
    assert not good
    assert len(broken) == 20_000
