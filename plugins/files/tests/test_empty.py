"""G14: a file that ends before its first record is a failed export, not an export of nothing."""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile

import pytest

from messy_migration.errors import SourceError
from messy_migration_files.csvfile import read_csv
from messy_migration_files.schema import load_schema

TWO = {"a": "int32", "b": "text"}
GOOD = b"a,b\n1,x\n"


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.csv", data)
    return packed.getvalue()


EMPTY = {
    "no_byte": b"",
    "a_mark": codecs.BOM_UTF8,
    "a_line_end": b"\n",
    "blank_lines": b"\r\n\r\n\n",
    "white_space": b" \t \n" * 50_000,
    "a_mark_and_a_line_end": codecs.BOM_UTF8 + b"\n",
    "gz_of_nothing": gzip.compress(b""),
    "gz_of_a_mark": gzip.compress(codecs.BOM_UTF8),
    "gz_of_two_nothings": gzip.compress(b"") * 2,
    "zip_member": zipped(m=b""),
}


@pytest.mark.parametrize("case", EMPTY)
def test_g14_an_empty_file_is_refused_by_name_before_anything_is_read(folder, case):
    folder.schema(TWO)
    folder.write("empty.csv", EMPTY[case])
    with pytest.raises(SourceError, match="the file is empty") as error:
        folder.partitions()
    assert error.value.exit_code == 5
    assert error.value.where == ("empty.csv!m.csv" if case == "zip_member" else "empty.csv")


@pytest.mark.parametrize("case", EMPTY)
def test_g14_an_empty_file_in_a_glob_is_named(folder, case):
    folder.schema(TWO)
    folder.write("a.csv", GOOD)
    folder.write("empty.csv", EMPTY[case])
    with pytest.raises(SourceError, match="the file is empty") as error:
        folder.partitions()
    assert error.value.where.startswith("empty.csv")


def test_g14_one_empty_member_of_an_archive_is_named(folder):
    folder.schema(TWO)
    folder.pattern = "d.zip"
    folder.write("d.zip", zipped(m=GOOD, n=b""))
    with pytest.raises(SourceError, match="the file is empty") as error:
        folder.partitions()
    assert error.value.where == "d.zip!n.csv"


def test_g14_many_empty_files_are_one_line(folder):
    folder.schema(TWO)
    for number in range(8):
        folder.write(f"{number}.csv", b"\n" * number)
    with pytest.raises(SourceError) as error:
        folder.partitions()
    assert error.value.where == "0.csv, 1.csv, 2.csv, 3.csv, 4.csv and 3 more"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16", "utf-32-be"])
@pytest.mark.parametrize("text", ["", "\ufeff", "\ufeff\r\n"])
def test_g14_the_marks_of_other_encodings_are_no_record(folder, encoding, text):
    folder.schema(TWO, encoding=encoding)
    folder.write("a.csv", text.encode(encoding))
    with pytest.raises(SourceError, match="the file is empty"):
        folder.partitions()


@pytest.mark.parametrize("length", [2, 3, 9, 12])
def test_g14_a_compressed_file_that_is_cut_before_its_first_record_is_refused(folder, length):
    folder.schema(TWO)
    folder.write("a.csv.gz", gzip.compress(GOOD)[:length])
    folder.pattern = "*.gz"
    with pytest.raises(SourceError, match="cut off") as error:
        folder.partitions()
    assert error.value.where == "a.csv.gz"


def test_g14_without_a_header_no_byte_is_refused_and_white_space_is_a_record(folder):
    columns = {"a": {"from": "1", "type": "text"}}
    folder.schema(columns, header=False)
    folder.write("a.csv", codecs.BOM_UTF8)
    with pytest.raises(SourceError, match="the file is empty"):
        folder.partitions()
    assert folder.read(" \n", columns, header=False).rows == [{"a": " "}]


@pytest.mark.parametrize("data", [b"a,b", b"a,b\n", codecs.BOM_UTF8 + b"a,b\r\n"], ids=str)
@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, lambda data: zipped(m=data)], ids=["plain", "gz", "zip"]
)
def test_g14_a_header_without_a_record_is_legal(folder, data, pack):
    folder.schema(TWO)
    folder.write("a.csv", pack(data))
    outcome = folder.run()
    assert outcome.records == 0
    assert outcome.error is None


@pytest.mark.parametrize("header", [True, False])
def test_g14_what_is_empty_when_it_is_read_is_refused_too(folder, header):
    schema = load_schema(folder.schema({"a": {"from": "1", "type": "text"}}, header=header), "s")
    with pytest.raises(SourceError, match="the file is empty"):
        list(read_csv(io.BytesIO(codecs.BOM_UTF8).read, schema, "a.csv"))
