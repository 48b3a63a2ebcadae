"""What the target refused holds for the input in which it was met, not for a mended one."""

from __future__ import annotations

import pytest

from .small import Small

FORMS = ("ledger", "landed", "source")
TEXT = """
table = "s"
key = ["id"]
[format]
kind = "csv"
encoding = "utf-8"
delimiter = ","
null = [""]
[columns]
id = { type = "int64", required = true }
amt = { type = "text" }
"""


@pytest.fixture
def small(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    made = Small(tmp_path, capfd)
    made.configure(TEXT, "quarantine_limit = 100")
    return made


@pytest.fixture
def on_postgres(small, postgres_url):
    small.target = postgres_url
    small.configure(TEXT, "quarantine_limit = 100")
    return small


def assert_all_match(small):
    for form in FORMS:
        told = small.migrate("reconcile", "--against", form)
        assert (told.code, told.last[:7]) == (0, "MATCH  "), (form, told.out)


@pytest.mark.parametrize("kept", ["x", "y"])
def test_g11_a_mended_input_is_read_without_the_refusals_of_the_one_before(small, kept):
    small.write_rows("1,a", "5,x", "5,y")
    assert "1 of 3 records is in quarantine" in small.migrate("run").last
    small.write_rows("1,a", f"5,{kept}")
    assert small.migrate("run").last.startswith("MATCH  2 rows")
    assert_all_match(small)
    assert small.query("SELECT amt FROM s WHERE id = 5") == [(kept,)]


def test_g11_what_is_refused_still_is_taken_off_on_reading_again(small):
    small.write_rows("1,a", "5,x", "5,y")
    small.migrate("run")
    for form in FORMS:
        told = small.migrate("reconcile", "--against", form)
        assert told.code == 0, told.out
        assert told.last.startswith("MATCH of what was loaded"), (form, told.out)


def test_g11_a_refusal_in_one_file_says_nothing_of_another(small):
    small.configure(TEXT, "quarantine_limit = 100\nbatch_records = 2")
    small.write_rows("5,x", "5,y", "6,a", "7,b", name="s1.csv")
    small.migrate("run")
    refused = small.open_entries()[0][1]
    small.write_rows("5,z", "6,a", "7,b", name="s1.csv")
    small.migrate("run")
    # The same row as was refused in the first file once, now alone and in a file of its own.
    small.write_rows(refused, name="s2.csv")
    assert small.migrate("run").code == 0
    assert small.query("SELECT amt FROM s WHERE id = 5") == [(refused.partition(",")[2],)]
    told = small.migrate("reconcile")
    assert (told.code, told.last[:5]) == (0, "MATCH")


def test_g11_a_row_that_a_constraint_refused_once_is_expected_once_it_was_loaded(on_postgres):
    with on_postgres.connect() as other:
        other.execute("CREATE TABLE s (id bigint PRIMARY KEY, amt text CHECK (amt <> 'no'))")
        on_postgres.write_rows("1,a", "2,no")
        assert "1 of 2 records is in quarantine" in on_postgres.migrate("run").last
        other.execute("ALTER TABLE s DROP CONSTRAINT s_amt_check")
    on_postgres.write_rows("1,a", "2,no", "3,c")
    assert on_postgres.migrate("run").last.startswith("MATCH  3 rows")
    assert_all_match(on_postgres)


def test_g37_a_head_is_anchored_since_the_first_time_that_it_was_seen(small):
    small.write_rows("1,a")
    small.migrate("run")
    anchors = small.folder / ".migrate" / "anchors"
    first = anchors.read_bytes()
    lines = set()
    for _ in range(3):
        out = small.migrate("reconcile").out
        lines.add(next(line for line in out.splitlines() if line.startswith("anchor: ")))
    assert len(lines) == 1
    assert anchors.read_bytes() == first
