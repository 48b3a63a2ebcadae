"""Whole files: every record comes out once, as it went in, or rejected by name."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messy_migration.errors import SourceError

TWO = {"a": "text", "b": "text"}
CELLS = st.text(
    st.sampled_from(list("ab \"',;\n\r\t\\.\u00e9\u20ac\U0001f600\ufeff\x0b\x0c\x85\u2028=NA"))
    | st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    max_size=12,
)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("block_size", [5, 64, 4 << 20])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_what_the_csv_module_writes_comes_back_equal(
    new_folder, quoting: int, block_size: int, width: int
):
    folder = new_folder()
    names = [f"c{i}" for i in range(width)]
    folder.schema(dict.fromkeys(names, "text"), null=[])

    @settings(max_examples=60, deadline=None)
    @given(
        records=st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=8),
        # Sparing with quotes, the module leaves a line feed bare where records end with \r.
        end=st.sampled_from(["\r\n"] + ["\n", "\r"] * (quoting == csv.QUOTE_ALL)),
    )
    def check(records: list[list[str]], end: str) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text, quoting=quoting, lineterminator=end)
        writer.writerow(names)
        writer.writerows(records)
        folder.write("a.csv", text.getvalue())
        outcome = folder.run(block_size)
        assert outcome.error is None
        assert not outcome.rejected
        assert [list(row.values()) for row in outcome.rows] == records

    check()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "cp1252", "shift_jis", "gb18030"])
@pytest.mark.parametrize("block_size", [5, 4 << 20])
def test_f03_declared_encodings_come_back_equal(folder, encoding: str, block_size: int):
    words = ["caf\u00e9", "\u20ac5"] if encoding == "cp1252" else ["\u8868\u793a", "\u65e5\u672c"]
    folder.schema(TWO, encoding=encoding)
    folder.write("a.csv", f'a,b\n{words[0]},"x\ny"\n,"{words[1]}"\n'.encode(encoding))
    outcome = folder.run(block_size)
    assert outcome.rows == [{"a": words[0], "b": "x\ny"}, {"a": None, "b": words[1]}]
    assert outcome.origins[1].raw.decode(encoding) == f',"{words[1]}"'


def test_block_size_changes_nothing(folder):
    folder.schema({"a": "int32", "b": "text"})
    folder.write(
        "a.csv",
        b'a,b\r\n1,x\n\n2,y,z\n3,"open\n4,a"b\r5,\xff\n6,\0\nseven,p\n8,"q\r\n""r"\r\n' * 40,
    )
    outcomes = [folder.run(size) for size in (1, 7, 100, 1000, 1 << 20)]
    whole = outcomes[-1]
    assert set(whole.rules) == {
        "files.ragged", "files.quote", "files.encoding", "files.nul", "files.type",
    }  # fmt: skip
    for outcome in outcomes:
        assert outcome.rows == whole.rows
        assert outcome.origins == whole.origins
        assert sorted(outcome.rejected, key=repr) == sorted(whole.rejected, key=repr)
        assert outcome.filtered == whole.filtered == {"files.blank_line": 40}
    assert whole.records == 40 * 9 + 39


@pytest.mark.parametrize("data", ["a,b\n", "a,b", "\ufeffa,b\r\n"])
def test_f01_a_file_with_a_header_only_holds_no_records(folder, data: str):
    outcome = folder.read(data, TWO)
    assert outcome.records == 0
    assert outcome.error is None


def test_f02_header_that_does_not_fit(folder):
    outcome = folder.read("A,c\n1,2\n", TWO)
    assert str(outcome.error) == (
        "the file lacks columns of the schema [a.csv:1]: missing 'a', 'b'; present 'A', 'c'. "
        "Next: did you mean from = 'A'?"
    )
    assert outcome.error is not None
    assert outcome.error.exit_code == 5


def test_f02_a_record_in_place_of_the_header_is_not_quoted(folder):
    outcome = folder.read("Alice,alice@example.com\n", TWO)
    assert "lice" not in str(outcome.error)
    assert "header = false" in str(outcome.error)


def test_f02_duplicate_header(folder):
    outcome = folder.read("a,b,a\n1,2,3\n", TWO)
    assert "holds a name twice [a.csv:1]: 'a'" in str(outcome.error)


def test_f02_reordered_blank_and_extra_columns(folder):
    outcome = folder.read(",b,x,a,\n0,1,2,3,4\n", TWO)
    assert outcome.rows == [{"a": "3", "b": "1"}]
    assert folder.unmapped() == ("", "x")


@pytest.mark.parametrize("header", ["\n", '"a,b\n', "a\0,b\n", "\xe9,b\n"])
def test_f02_unreadable_header(folder, header: str):
    outcome = folder.read(header.encode("latin-1") + b"1,2\n", TWO)
    assert isinstance(outcome.error, SourceError)
    assert outcome.error.where == "a.csv:1"


def test_header_with_quotes_and_one_source_for_two_columns(folder):
    columns = {"n": {"from": 'x "1"', "type": "int32"}, "t": {"from": 'x "1"', "type": "text"}}
    outcome = folder.read('"x ""1""",y\n07,z\n', columns)
    assert outcome.rows == [{"n": 7, "t": "07"}]


def test_without_header_columns_are_positions(folder):
    columns = {"a": {"from": "2", "type": "text"}, "b": {"from": "1", "type": "int32"}}
    outcome = folder.read("1,x\n2\n3,z\n", columns, header=False)
    assert outcome.rows == [{"a": "x", "b": 1}, {"a": "z", "b": 3}]
    assert outcome.rejected[0].reason == "1 fields, first record has 2"
    outcome = folder.read("1\n", columns, header=False)
    assert "asks for field 2" in str(outcome.error)


def test_f03_byte_order_mark_is_no_data_but_in_a_later_cell_it_is(folder):
    folder.schema(TWO)
    folder.write("a.csv", "\ufeffa,b\n\ufeff1,2\n\ufeff3,4\n")
    for size in (1, 8, 1000):
        assert [row["a"] for row in folder.run(size).rows] == ["\ufeff1", "\ufeff3"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_f03_other_encoding_than_declared(folder, encoding: str):
    outcome = folder.read("a,b\n1,2\n".encode(encoding), TWO)
    assert "utf-16" in str(outcome.error) or "utf-32" in str(outcome.error)
    assert outcome.records == 0


def test_f03_utf8_mark_under_another_declared_encoding(folder):
    outcome = folder.read("\ufeffa,b\n", TWO, encoding="cp1252")
    assert 'declare encoding = "utf-8"' in str(outcome.error)


def test_f04_ragged_records(folder):
    outcome = folder.read('a,b\n1\n2,x,y\n3,"p,q"\n', TWO)
    assert outcome.rows == [{"a": "3", "b": "p,q"}]
    assert [(r.raw, r.where, r.reason, r.rule) for r in outcome.rejected] == [
        (b"1", "a.csv:2", "1 fields, header has 2", "files.ragged"),
        (b"2,x,y", "a.csv:3", "3 fields, header has 2", "files.ragged"),
    ]


def test_f05_unclosed_quote(folder):
    outcome = folder.read('a,b\n1,"x\n2,y\n3,z\n', TWO)
    assert [row["a"] for row in outcome.rows] == ["2", "3"]
    (rejected,) = outcome.rejected
    assert (rejected.raw, rejected.where, rejected.rule) == (b'1,"x', "a.csv:2", "files.quote")
    assert "never closes" in rejected.reason


def test_f06_places_of_records_behind_quoted_lines(folder):
    outcome = folder.read('a,b\r\n1,"x\n\r\ny"\r2,\x0c\n', TWO)
    assert [row["b"] for row in outcome.rows] == ["x\n\r\ny", "\x0c"]
    assert [(o.raw, o.where) for o in outcome.origins] == [
        (b'1,"x\n\r\ny"', "a.csv:2"),
        (b"2,\x0c", "a.csv:5"),
    ]


def test_f07_backslash_dot_is_data(folder):
    assert folder.read("a\n\\.\nx\n", {"a": "text"}).rows == [{"a": "\\."}, {"a": "x"}]


def test_f08_nul(folder):
    outcome = folder.read(b"a,b\n1,x\0y\n2,z\n", TWO)
    assert [row["a"] for row in outcome.rows] == ["2"]
    assert outcome.rejected[0].raw == b"1,x\0y"
    assert outcome.rules == ["files.nul"]


def test_f09_null_is_what_is_declared(folder):
    data = 'a,b\n,""\nNA,NULL\n"NA",nan\n'
    outcome = folder.read(data, TWO, null=["", "NA"])
    assert [tuple(row.values()) for row in outcome.rows] == [
        (None, ""), (None, "NULL"), ("NA", "nan"),
    ]  # fmt: skip
    outcome = folder.read(data, TWO, null=["", "NA"], quoted_null=True)
    assert [tuple(row.values()) for row in outcome.rows] == [
        (None, None), (None, "NULL"), (None, "nan"),
    ]  # fmt: skip
    assert folder.read("a,b\n,x\n", TWO, null=[]).rows == [{"a": "", "b": "x"}]


def test_f14_field_of_200_kb(folder):
    large = "x" * 200_000
    folder.schema(TWO)
    folder.write("a.csv", f"a,b\n1,{large}\n")
    assert folder.run(1000).rows == [{"a": "1", "b": large}]


def test_f14_line_over_the_limit(folder):
    folder.schema(TWO)
    folder.write("a.csv", b"a,b\n1," + b"x" * (17 << 20) + b"\n2,y\n")
    outcome = folder.run()
    assert outcome.rows == [{"a": "2", "b": "y"}]
    assert "only its start is kept" in outcome.rejected[0].reason
    assert outcome.origins[0].where == "a.csv:3"


def test_f16_trailing_delimiter_and_totals_row(folder):
    outcome = folder.read("a,b\n1,2,\nTotal\n3,4\n", TWO)
    assert [row["a"] for row in outcome.rows] == ["3"]
    assert outcome.rules == ["files.ragged", "files.ragged"]


def test_f17_other_delimiter_and_quote(folder):
    outcome = folder.read("a\tb\n1\t'x\ty'\n2\t\"z\"\n", TWO, delimiter="\t", quote="'")
    assert [row["b"] for row in outcome.rows] == ["x\ty", '"z"']
    assert folder.read('a,b\n"1,x\n', TWO, quote="").rows == [{"a": '"1', "b": "x"}]


def test_f30_one_bad_byte(folder):
    data = b"a,b\n" + b"1,\xc3\xa9\n" * 99 + b"2,x\xe9y\n"
    outcome = folder.read(data, TWO)
    assert len(outcome.rows) == 99
    (rejected,) = outcome.rejected
    assert (rejected.where, rejected.rule, rejected.raw) == (
        "a.csv:101", "files.encoding", b"2,x\xe9y",
    )  # fmt: skip
    assert rejected.reason == "the bytes from 3 of the record are not utf-8"


@pytest.mark.parametrize(
    "encoding, record",
    [("ascii", b"2,\xc3\xa9"), ("cp1252", b"2,x\x81"), ("shift_jis", b"2,\x81 ")],
)
def test_f30_bytes_that_the_declared_encoding_does_not_have(folder, encoding: str, record: bytes):
    outcome = folder.read(b"a,b\n1,x\n" + record + b"\n3,y\n", TWO, encoding=encoding)
    assert [row["a"] for row in outcome.rows] == ["1", "3"]
    assert outcome.rules == ["files.encoding"]
    assert outcome.rejected[0].raw == record


def test_half_a_surrogate_in_utf16_costs_one_record(folder):
    data = "a,b\n1,".encode("utf-16-le") + b"\x00\xd8" + "\n2,y\n".encode("utf-16-le")
    outcome = folder.read(data, TWO, encoding="utf-16-le")
    assert [row["a"] for row in outcome.rows] == ["2"]
    assert outcome.rejected[0].raw == "1,".encode("utf-16-le") + b"\x00\xd8"


def test_value_that_does_not_convert(folder):
    outcome = folder.read("a,b\n1,secret\n2,3\nx,y\n", {"a": "int32", "b": "int32"})
    assert outcome.rows == [{"a": 2, "b": 3}]
    assert [(r.raw, r.where, r.rule, r.column, r.reason) for r in outcome.rejected] == [
        (b"1,secret", "a.csv:2", "files.type", "b", "b is not an int32"),
        (b"x,y", "a.csv:4", "files.type", "a", "a is not an int32"),
    ]


def test_blank_lines_are_filtered_but_records_of_a_single_column(folder):
    outcome = folder.read("a,b\n\n1,2\n\r\n\r\n", TWO)
    assert outcome.filtered == {"files.blank_line": 3}
    assert len(outcome.rows) == 1
    outcome = folder.read('a\nx\n\n""\n\r\ny', {"a": "text"})
    assert [row["a"] for row in outcome.rows] == ["x", None, "", None, "y"]
    assert not outcome.filtered


def test_required_is_left_to_the_core(folder):
    assert folder.read("a\n\n", {"a": {"type": "int32", "required": True}}).rows == [{"a": None}]
