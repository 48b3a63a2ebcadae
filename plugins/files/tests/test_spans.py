"""A file in spans has the records of the whole one: the same, once each, with the same places."""

from __future__ import annotations

import hashlib
import io
import os
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messy_migration.errors import SourceError
from messy_migration.model import Filtered, Frame, Partition, Rejected
from messy_migration_files import source, spans
from messy_migration_files.records import Dialect, scan_records
from messy_migration_files.schema import Format
from messy_migration_files.settings import FilesSettings
from messy_migration_files.spans import survey_spans

SCHEMA = """
table = "t"
key = ["id"]
[format]
kind = "csv"
encoding = "{encoding}"
delimiter = ","
header = {header}
null = [""]
[columns]
id = {{ from = "{id}", type = "int64" }}
note = {{ from = "{note}", type = "text" }}
"""


class Files:
    """One stream over one file, cut into spans of a few bytes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.span = 64

    def write(self, data: bytes, *, header: bool = True, encoding: str = "utf-8") -> None:
        names = {"id": "id", "note": "note"} if header else {"id": "1", "note": "2"}
        written = SCHEMA.format(header=str(header).lower(), encoding=encoding, **names)
        (self.folder / "t.toml").write_text(textwrap.dedent(written))
        (self.folder / "t.csv").write_bytes(data)

    def read(self, span: int | None) -> tuple[list[Partition], list[Any]]:
        """The partitions, and all records as (id, note, place), and what was left out."""
        size = 1 << 40 if span is None else span
        self.monkeypatch.setattr(spans.survey_spans, "__defaults__", (size,))
        configured = FilesSettings.model_validate(
            {"streams": {"t": {"path": "t.csv", "schema": "t.toml"}}},
            context={"directory": self.folder},
        )
        (stream,) = source.declared(configured)
        parts = source.slices(stream, configured)
        found: list[Any] = []
        for part in parts:
            for item in source.records(stream, part, configured, block_size=50):
                found += _plain(item)
        # Within a block what is left out comes before the rest.
        return parts, sorted(found, key=repr)


def _plain(item: Frame | Rejected | Filtered) -> list[Any]:
    if isinstance(item, Frame):
        assert item.origin is not None
        rows = item.table.to_pylist()
        places = [item.origin(row) for row in range(len(rows))]
        return [
            (row["id"], row["note"], place.where, place.raw)
            for row, place in zip(rows, places, strict=True)
        ]
    if isinstance(item, Rejected):
        return [(item.rule, item.where, item.raw)]
    return [(item.rule,)] * item.records


@pytest.fixture
def files(tmp_path, monkeypatch):
    return Files(tmp_path, monkeypatch)


LINES = {
    "plain": [b"%d,note %d\n" % (n, n) for n in range(60)],
    "quoted line ends": [b'%d,"a\nb, ""c""\r\n%d"\n' % (n, n) for n in range(60)],
    "crlf": [b"%d,x\r\n" % n for n in range(60)],
    "mixed line ends": [b"%d,x%s" % (n, (b"\n", b"\r\n", b"\r")[n % 3]) for n in range(60)],
    "blank, ragged, wrong and bad": [
        (b"%d,x\n" % n, b"\n", b"%d\n" % n, b"x,y\n", b"%d,\xff\n" % n)[n % 5] for n in range(80)
    ],
    "no last line end": [b"%d,%s\n" % (n, b"y" * (n % 40)) for n in range(60)] + [b"99,end"],
}


@pytest.mark.parametrize("lines", LINES.values(), ids=list(LINES))
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("chunk", [7, 64, 2 << 20])
def test_spans_have_the_records_of_the_whole(files, lines, header, mark, chunk, monkeypatch):
    monkeypatch.setattr(spans, "_CHUNK", chunk)
    files.write(mark + (b"id,note\n" if header else b"") + b"".join(lines), header=header)
    (whole,), wanted = files.read(None)
    parts, found = files.read(64)
    assert found == wanted
    if chunk == 7:
        return  # a record has to begin in the first chunk
    assert len(parts) > 3
    assert len({part.digest for part in parts} | {whole.digest}) == len(parts) + 1
    assert {(part.input, part.version) for part in parts} == {("t.csv", f"{whole.digest}~")}
    starts = [part.bounds["span"]["start"] for part in parts]
    assert [part.bounds["span"]["stop"] for part in parts][:-1] == starts[1:]
    assert all(part.bounds["digest"] == whole.bounds["digest"] for part in parts)
    assert files.read(64)[0] == parts


UNSOUND = {
    "a quote inside": [b"1,x\n"] * 40 + [b'2,a"b\n'] + [b"3,x\n"] * 40,
    "a quote that never closes": [b"1,x\n"] * 40 + [b'2,"ab\n'] + [b"3,x\n"] * 40,
    "text behind a closing quote": [b"1,x\n"] * 40 + [b'2,"a"b,"\n'] + [b"3,x\n"] * 40,
    "two wrongs that make the count even": [b"1,x\n"] * 20 + [b'2,"a\n', b'3,b" c\n'] * 20,
    "old line ends only": [b"%d,x\r" % n for n in range(99)],
}


@pytest.mark.parametrize("lines", UNSOUND.values(), ids=list(UNSOUND))
@pytest.mark.parametrize("chunk", [16, 2 << 20])
def test_a_file_whose_quotes_are_out_of_place_is_read_whole(files, lines, chunk, monkeypatch):
    monkeypatch.setattr(spans, "_CHUNK", chunk)
    files.write(b"id,note\n" + b"".join(lines))
    (whole,), wanted = files.read(None)
    (part,), found = files.read(64)
    assert (part, found) == (whole, wanted)


def test_a_record_longer_than_a_record_is_not_cut_around(files, monkeypatch):
    monkeypatch.setattr(spans, "_CHUNK", 64)
    data = b"id,note\n" + b"1,x\n" * 40 + b'2,"' + b"y\n" * 80 + b'"\n' + b"3,x\n" * 40
    files.write(data)
    monkeypatch.setattr(spans, "dialect_of", lambda _: spans.Dialect(44, 34, 100))
    (_,), _ = files.read(64)


@pytest.mark.parametrize("encoding", ["utf-16-le", "shift_jis", "gb18030"])
def test_an_encoding_in_which_a_byte_is_no_character_is_read_whole(files, encoding):
    files.write(("id,note\n" + "1,ä\n".replace("ä", "あ") * 60).encode(encoding), encoding=encoding)
    (_,), found = files.read(64)
    assert len(found) == 60


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_an_encoding_of_one_byte_a_character_is_cut(files, encoding):
    files.write(
        ("id,note\n" + "".join(f"{n},é{n}\n" for n in range(60))).encode(encoding),
        encoding=encoding,
    )
    _, wanted = files.read(None)
    parts, found = files.read(64)
    assert (len(parts) > 3, found) == (True, wanted)


def test_a_small_file_is_one_partition_under_the_digest_it_always_had(files):
    data = b"id,note\n1,x\n"
    files.write(data)
    (part,), _ = files.read(64)
    assert part.name == part.input == "t.csv"
    assert "span" not in part.bounds
    assert part.bounds["digest"] == hashlib.sha256(data).hexdigest()


def test_one_changed_byte_of_a_span_is_found(files, tmp_path):
    files.write(b"id,note\n" + b"".join(LINES["plain"]))
    parts, _ = files.read(64)
    path, stamp = tmp_path / "t.csv", (tmp_path / "t.csv").stat()
    path.write_bytes(path.read_bytes().replace(b"note 40", b"note 4O"))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    configured = FilesSettings.model_validate(
        {"streams": {"t": {"path": "t.csv", "schema": "t.toml"}}}, context={"directory": tmp_path}
    )
    (stream,) = source.declared(configured)
    (changed,) = [part for part in parts if b"note 4O" in _bytes(path, part)]
    for part in parts:
        if part != changed:
            assert list(source.records(stream, part, configured))
    with pytest.raises(SourceError, match="changed"):
        list(source.records(stream, changed, configured))


def _bytes(path: Path, part: Partition) -> bytes:
    return path.read_bytes()[part.bounds["span"]["start"] : part.bounds["span"]["stop"]]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["a", '"', ",", "\n", "\r", '""', '"x\n"']), max_size=60).map("".join),
    st.integers(8, 40),
)
def test_whatever_the_text_is_spans_are_sound_or_not_there(text: str, span: int):
    """What the scanner of records makes of the whole, it makes of the spans together."""
    data = ("h,i\n" + text).encode()
    declared = Format.model_construct(
        kind="csv", encoding="utf-8", delimiter=",", quote='"', header=True, null=[""]
    )
    digest, found = survey_spans(io.BytesIO(data), len(data), declared, span)
    assert digest == hashlib.sha256(data).hexdigest()
    if not found:
        return
    assert found[0].start == found[0].head == 4
    whole = _records(data, 0)
    parts = [
        record
        for one in found
        for record in _records(data[: one.head] + data[one.start : one.stop], one.lines)[1:]
    ]
    assert whole[1:] == parts


def _records(data: bytes, above: int) -> list[tuple[bytes, int]]:
    block = scan_records(data, Dialect(44, 34), line=1, final=True).block
    assert not block.broken
    return [
        (block.record(place), int(block.lines[place]) + above) for place in range(len(block.starts))
    ]
