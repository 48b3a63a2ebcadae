"""Files that are not what their schema says: what can be loaded is, the rest is accounted for.

All of them are streams of one run, so that each is also a good neighbour of the others.
"""

from __future__ import annotations

import gzip

import pytest

GOOD = "id,name\n1,a\n2,b\n3,c\n"
PADDING = "".join(f"{number},some text to be compressed {number % 7}\n" for number in range(20_000))

# id -> (content, loaded ids, [(line, rule, column, raw record)])
RECORDS = {
    "F04_short": ("id,name\n1,a\n2\n3,c\n", [1, 3], [(3, "files.ragged", None, "2")]),
    "F04_long": ("id,name\n1,a\n2,b,x\n3,c\n", [1, 3], [(3, "files.ragged", None, "2,b,x")]),
    "F05_quote": ('id,name\n1,a\n2,"b\n3,c\n', [1, 3], [(3, "files.quote", None, '2,"b')]),
    "F05_inner_quote": ('id,name\n1,a\n2,b"b\n3,c\n', [1, 3], [(3, "files.quote", None, '2,b"b')]),
    "F06_mixed_ends": ("id,name\r\n1,a\r2\n3,c\n", [1, 3], [(3, "files.ragged", None, "2")]),
    "F07_backslash": ("id,name\n1,\\.\n2,b\n", [1, 2], []),
    "F08_nul": ("id,name\n1,a\n2,b\0b\n3,c\n", [1, 3], [(3, "files.nul", None, "MixiAGI=")]),
    "F11_big": (
        "id,name\n9007199254740993,a\n12345678901234567890,b\n",
        [9007199254740993],
        [(3, "files.type", "id", "12345678901234567890,b")],
    ),
    "F12_number": (
        "id,name\n1,a\n٣,b\n(3),c\n1e3,d\n",
        [1],
        [
            (3, "files.type", "id", "٣,b"),
            (4, "files.type", "id", "(3),c"),
            (5, "files.type", "id", "1e3,d"),
        ],
    ),
    "F15_formula": ("id,name\n1,=cmd|x\n2,@b\n", [1, 2], []),
    "F16_totals": ("id,name\n1,a\nTotal,1\n", [1], [(3, "files.type", "id", "Total,1")]),
    "F30_bad_byte": (
        b"id,name\n1,a\n2,\xff\xfe\n3,c\n",
        [1, 3],
        [(3, "files.encoding", None, "Miz//g==")],
    ),
    "null_in_key": ("id,name\n1,a\n,b\n3,c\n", [1, 3], [(3, "core.required", "id", ",b")]),
}

# id -> (content, what the error says, rows that are loaded all the same)
BROKEN = {
    "F02_missing": ("id,nam\n1,a\n", "lacks columns of the schema", 0),
    "F02_case": ("id,NAME\n1,a\n", "did you mean from = 'NAME'?", 0),
    "F02_duplicate": ("id,name,name\n1,a,b\n", "holds a name twice", 0),
    "F02_blank": ("\nid,name\n1,a\n", "the header is a blank line", 0),
    "F03_utf16": (GOOD.encode("utf-16"), "utf-8", 0),
    "F05_header": ('"id,name\n1,a\n', "the header breaks the quoting rules", 0),
    "F19_nested": (gzip.compress(gzip.compress(GOOD.encode())), "archive inside an archive", 0),
    "F21_cut": (gzip.compress(("id,name\n" + PADDING).encode())[:-500], "is cut off", 1),
}


@pytest.fixture(scope="module")
def every_file(shared_project):
    """The project, and its first and its second run."""
    project = shared_project()
    for name, (content, *_) in {**RECORDS, **BROKEN}.items():
        project.stream(name.lower(), content)
    project.stream("p16_other", "id,name\n1,a\n2,b\n2,other\n")
    project.stream("f01_empty", "id,name\n")
    project.stream("p16_equal", "id,name\n1,a\n2,b\n2,b\n1,a\n")
    project.stream("f27_nothing", path="nothing_here_*.csv")
    project.stream("f26_twice", GOOD, GOOD)
    project.stream("good", GOOD)
    return project, project.migrate_apart("run", "--json"), project.migrate_apart("run", "--json")


@pytest.mark.parametrize("case", RECORDS)
def test_a_bad_record_is_quarantined_with_its_place_and_the_others_are_loaded(every_file, case):
    project, result, _ = every_file
    _, loaded, entries = RECORDS[case]
    name = case.lower()
    assert result.table(name)["verdict"] == "MATCH"
    assert result.stream(f"files.{name}")["quarantined"] == len(entries)
    ids = [row[0] for row in project.query(f"SELECT id FROM {name} ORDER BY id")]
    assert ids == loaded
    found = project.quarantine(f"files.{name}")
    for (place, *about, payload), (line, *wanted, raw) in zip(found, entries, strict=True):
        assert (place, about, payload) == (f"{name}_1.csv:{line}", wanted, raw)


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_cannot_be_read_whole_leaves_its_table_unknown(every_file, case):
    _, result, _ = every_file
    _, words, rows = BROKEN[case]
    table = result.table(case.lower())
    assert table["verdict"] == "UNKNOWN"
    assert (table["actual_rows"] > 0) == bool(rows)
    assert table["actual_rows"] == table["expected_rows"]
    lines = [line for line in result.errors if f"{case.lower()}_1.csv" in line]
    assert len(lines) == 1
    assert words in lines[0]


def test_F01_a_file_with_a_header_only_is_no_record_and_no_error(every_file):  # noqa: N802
    _, result, _ = every_file
    assert result.table("f01_empty")["verdict"] == "MATCH"
    assert result.stream("files.f01_empty")["extracted"] == 0


def test_of_one_key_with_different_content_one_is_kept_and_the_other_quarantined(every_file):
    project, result, _ = every_file
    assert len(project.query("SELECT name FROM p16_other WHERE id = 2")) == 1
    [(place, rule, column, payload)] = project.quarantine("files.p16_other")
    kept = project.query("SELECT name FROM p16_other WHERE id = 2")[0][0]
    lines = {"b": 3, "other": 4}
    lost = next(name for name in lines if name != kept)
    assert (place, rule, column) == (f"p16_other_1.csv:{lines[lost]}", "core.duplicate_key", "id")
    assert payload == f"2,{lost}"
    assert result.table("p16_other")["verdict"] == "MATCH"


def test_of_equal_records_with_a_key_one_is_loaded_and_the_others_filtered(every_file):
    _, result, _ = every_file
    equal = result.stream("files.p16_equal")
    assert (equal["loaded"], equal["filtered"], equal["quarantined"]) == (2, 2, 0)
    assert equal["filters"] == {"core.duplicate": 2}


@pytest.mark.parametrize(
    "table, words",
    [
        ("f27_nothing", "nothing_here_*.csv]: a stream without files"),
        ("f26_twice", "two files of a stream have the same content"),
    ],
    ids=["F27", "F26"],
)
def test_files_that_are_not_there_or_there_twice_are_named(every_file, table, words):
    _, result, _ = every_file
    assert result.table(table)["verdict"] == "UNKNOWN"
    assert result.table(table)["actual_rows"] == 0
    assert len([line for line in result.errors if words in line]) == 1


def test_a_good_stream_beside_bad_ones_is_loaded_and_proven_and_the_run_is_exit_5(every_file):
    project, result, _ = every_file
    assert result.code == 5
    assert result.table("good")["verdict"] == "MATCH"
    assert result.stream("files.good")["loaded"] == 3
    project.assert_balanced()


def test_the_same_command_over_the_same_bad_files_says_and_leaves_the_same(every_file):
    _, first, second = every_file
    assert second.code == 5
    assert sorted(second.errors) == sorted(first.errors)
    tables = [
        [(item["table"], item["actual_rows"]) for item in run.json["tables"]]
        for run in (first, second)
    ]
    assert tables[0] == tables[1]


def test_one_bad_file_among_good_ones_is_repaired_and_ends_in_match(anywhere):
    anywhere.stream("shop", "id,name\n1,a\n", "id,nam\n2,b\n", "id,name\n3,c\n")
    anywhere.stream("other", "id,name\n7,x\n")
    broken = anywhere.migrate("run", "--json")
    assert broken.code == 5
    assert "shop_2.csv:1" in broken.error
    assert broken.json["verdict"] == "UNKNOWN"
    assert broken.table("shop")["verdict"] == "UNKNOWN"
    assert broken.table("shop")["actual_rows"] == 2
    assert broken.table("other")["verdict"] == "MATCH"
    anywhere.write("shop_2.csv", "id,name\n2,b\n")
    repaired = anywhere.migrate("run", "--json")
    assert repaired.code == 0, repaired.err
    assert repaired.errors == []
    assert repaired.json["verdict"] == "MATCH"
    assert repaired.table("shop")["actual_rows"] == 3
    assert repaired.json["run_id"] == broken.json["run_id"]
    assert anywhere.query("SELECT id FROM shop ORDER BY id") == [(1,), (2,), (3,)]
    anywhere.assert_balanced()


def test_a_cut_off_archive_that_is_fetched_again_is_not_loaded_twice(project):
    whole = gzip.compress(("id,name\n" + PADDING).encode())
    project.stream("shop", whole[: len(whole) // 2])
    project.configure("batch_records = 1000")
    cut = project.migrate("run", "--json")
    assert cut.code == 5
    assert "is cut off" in cut.error
    assert cut.table("shop")["verdict"] == "UNKNOWN"
    project.write("shop_1.csv", whole)
    again = project.migrate("run", "--json")
    assert again.code == 0, again.err
    assert again.table("shop")["actual_rows"] == 20_000
    project.assert_balanced()


def test_F18_a_loaded_file_without_a_key_that_changes_is_refused(project):  # noqa: N802
    project.stream("shop", GOOD, key=None)
    assert project.migrate("run").code == 0
    project.write("shop_1.csv", GOOD + "4,d\n")
    result = project.migrate("run", "--json")
    assert result.code == 5
    assert "was loaded before with other content" in result.error
    assert project.query("SELECT count(*) FROM shop") == [(3,)]


@pytest.mark.parametrize(
    "limit, code", [("", 7), ("quarantine_limit = 34", 0), ("quarantine_limit = 33", 7)]
)
def test_the_quarantine_limit_decides_the_exit_code_and_never_the_data(project, limit, code):
    project.stream("shop", "id,name\n1,a\nx,b\n3,c\n")
    project.configure(limit)
    result = project.migrate("run", "--json")
    assert result.code == code, result.err
    assert result.json["verdict"] == "MATCH"
    assert result.table("shop")["actual_rows"] == 2
    assert [line for line in result.errors if "33.33 % of the records" in line] == result.errors
    assert len(result.errors) == bool(code)
    assert project.migrate("reconcile").code == code
