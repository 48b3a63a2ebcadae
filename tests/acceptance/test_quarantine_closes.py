"""A record in quarantine leaves it when a later run meets it again; one record waits once."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from .small import Small

WHOLE = "quarantine_limit = 100"


@pytest.fixture
def small(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    made = Small(tmp_path, capfd)
    made.configure(profile=WHOLE)
    return made


def states(small):
    """(payload, state) of everything that was ever in quarantine."""
    place = small.ledger("quarantine")
    return small.query(f"SELECT payload, state FROM {place} ORDER BY id")


def assert_sealed(small):
    """The ledger is what runs have written, and its counts balance."""
    sums = small.query(
        "SELECT sum(extracted), sum(loaded), sum(quarantined), sum(filtered)"
        f" FROM {small.ledger('receipt')}"
    )[0]
    extracted, loaded, quarantined, filtered = map(int, sums)
    assert extracted == loaded + quarantined + filtered
    assert quarantined == len(small.open_entries())
    told = small.migrate("reconcile", "--json")
    assert told.json["ledger"]["reasons"] == []
    for evidence in (small.folder / "reports").glob("*.json"):
        assert small.migrate("report", "verify", str(evidence)).code == 0, evidence


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_g31_a_mended_file_closes_what_its_first_content_left(small, kind, request):
    if kind == "postgresql":
        small.target = request.getfixturevalue("postgres_url")
        small.configure(profile=WHOLE)
    small.write_rows("1,1", "2,y", "3,z")
    small.migrate("run")
    small.write_rows("1,1", "2,2", "3,z")
    told = small.migrate("run")
    assert "1 of 3 records is in quarantine" in told.last
    assert states(small) == [("2,y", "superseded"), ("3,z", "superseded"), ("3,z", "open")]
    assert_sealed(small)


class Source:
    """A SQLite database that the plugin sql reads by a bookmark."""

    def __init__(self, small, kind):
        self.path = small.folder / "source.db"
        self.small = small
        (small.folder / "migrate.toml").write_text(
            '[profiles.default]\nplugins = ["sql"]\nworkers = 1\nreport = "reports"\n'
            f'quarantine_limit = 100\ntarget = "{small.target}"\n'
            f'[sql]\nurl = "sqlite:///{self.path}"\n[sql.tables.c]\nbookmark = "u"\n{kind}'
        )
        self.run("CREATE TABLE c (id INTEGER PRIMARY KEY, n INTEGER, u TIMESTAMP)")

    def run(self, *statements):
        with closing(sqlite3.connect(self.path)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()


@pytest.fixture
def source(small):
    return Source(small, "")


def at(second):
    return f"2026-01-01 00:00:{second:02}"


def test_g31_a_row_that_is_mended_at_its_source_closes_its_entry_by_its_key(small, source):
    source.run(
        f"INSERT INTO c VALUES (1, 1, '{at(1)}'), (2, 'bad', '{at(2)}'), (3, 'worse', '{at(3)}')"
    )
    told = small.migrate("run")
    assert "2 of 3 records are in quarantine" in told.last, told.out + told.err
    source.run(f"UPDATE c SET n = 2, u = '{at(9)}' WHERE id = 2")
    told = small.migrate("run")
    assert [state for _, state in states(small)] in (
        ["superseded", "open"],
        ["superseded", "superseded", "open"],  # the window was read again, and 3 was refused again
    )
    assert small.query("SELECT n FROM c WHERE id = 2") == [(2,)]
    assert len(small.open_entries()) == 1
    assert_sealed(small)


def test_g31_a_record_that_is_refused_in_each_run_waits_once(small, source):
    source.run(f"INSERT INTO c VALUES (1, 1, '{at(1)}'), (2, 'bad', '{at(2)}')")
    for second in range(3, 6):
        told = small.migrate("run")
        assert told.json if "--json" in told.out else True
        assert len(small.open_entries()) == 1
        assert "1 of" in told.last
        assert "is in quarantine" in told.last
        # Another payload of the same key, refused again.
        source.run(f"UPDATE c SET n = 'bad {second}', u = '{at(second)}' WHERE id = 2")
    assert_sealed(small)


def test_g31_another_key_closes_nothing(small, source):
    source.run(f"INSERT INTO c VALUES (1, 1, '{at(1)}'), (2, 'bad', '{at(2)}')")
    small.migrate("run")
    source.run(f"INSERT INTO c VALUES (3, 3, '{at(3)}'), (22, 22, '{at(4)}')")
    small.migrate("run")
    assert [state for _, state in states(small)][-1] == "open"
    assert len(small.open_entries()) == 1


def test_g31_closing_is_done_or_undone_with_its_batch(small, postgres_url):
    """A batch that the target does not take closes nothing."""
    small.target = postgres_url
    source = Source(small, "")
    source.run(f"INSERT INTO c VALUES (1, 1, '{at(1)}'), (2, 'bad', '{at(2)}')")
    small.migrate("run")
    source.run(f"UPDATE c SET n = 2, u = '{at(9)}' WHERE id = 2")
    with small.connect(postgres_url) as other:
        other.execute(
            "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '58000'; END$$"
        )
        other.execute("CREATE TRIGGER no BEFORE INSERT ON c EXECUTE FUNCTION public.no()")
        assert small.migrate("run").code != 0
        assert len(small.open_entries()) == 1
        other.execute("DROP TRIGGER no ON c")
    small.migrate("run")
    assert small.open_entries() == []


@pytest.mark.parametrize("times", [3])
def test_g31_the_same_command_again_says_the_same_count(small, times):
    written = '[profiles.default]\nplugins = ["vivenu"]\nquarantine_limit = 100\n'
    (small.folder / "migrate.toml").write_text(f'{written}report = "reports"\n')
    counts = set()
    for _ in range(times):
        argv = (
            "run",
            "--sandbox",
            "--json",
            "--target",
            small.target,
            "--select",
            "vivenu.coupons",
        )
        counts.add(small.migrate(*argv).json["waiting"])
    assert len(counts) == 1
    assert counts == {len(small.open_entries())}
