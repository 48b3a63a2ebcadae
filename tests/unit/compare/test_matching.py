"""Which tables and columns belong together, on two databases in files."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from sqlalchemy import make_url

from messy_migration.compare.matching import CompareOptions, Side, pairs
from messy_migration.databases.open import open_target
from messy_migration.errors import UsageProblem


@pytest.fixture
def matched(tmp_path):
    """A function that matches the tables of two scripts."""

    def match(left, right, **wishes):
        with contextlib.ExitStack() as stack:
            sides = []
            for side, script in (("left", left), ("right", right)):
                path = tmp_path / f"{side}.db"
                path.unlink(missing_ok=True)
                with contextlib.closing(sqlite3.connect(path)) as connection:
                    connection.executescript(script)
                target = open_target(make_url(f"sqlite:///{path}"), "mm:test")
                stack.callback(target.engine.dispose)
                connection = stack.enter_context(target.dialect.reading(target.engine))
                sides.append(Side(connection, target.dialect))
            return pairs(*sides, CompareOptions(**wishes))

    return match


def columns(pair):
    """Name on the left of each column that is compared."""
    return list(pair.columns.values())


ONE = "CREATE TABLE t (a INTEGER NOT NULL, b INTEGER NOT NULL, v TEXT, PRIMARY KEY (a, b));"


def test_names_that_are_equal_but_for_case_belong_together(matched):
    (pair,) = matched("CREATE TABLE Sales (Id INTEGER)", "CREATE TABLE sales (ID INTEGER)")
    assert (pair.left, pair.right) == ("Sales", "sales")
    assert (columns(pair), pair.only_left, pair.only_right) == (["Id"], (), ())


def test_an_equal_name_goes_before_one_that_is_equal_but_for_case(matched):
    # SQLite itself knows no case in names, so that two columns cannot show it; quoted ß can.
    (pair,) = matched(
        'CREATE TABLE t ("straße" TEXT, "STRASSE" TEXT)',
        'CREATE TABLE t ("strasse" TEXT, "straße" TEXT)',
    )
    assert pair.only_left == ()
    assert columns(pair) == ["straße", "STRASSE"]


@pytest.mark.parametrize("many", ["left", "right"])
def test_two_names_with_one_word_are_paired_with_nobody(matched, many):
    two, one = (
        'CREATE TABLE t (id INTEGER, "straße" TEXT, "STRASSE" TEXT)',
        'CREATE TABLE t (id INTEGER, "Strasse" TEXT)',
    )
    (pair,) = matched(*((two, one) if many == "left" else (one, two)))
    assert columns(pair) == ["id"]
    several, single = ("straße", "STRASSE"), ("Strasse",)
    expected = (several, single) if many == "left" else (single, several)
    assert (pair.only_left, pair.only_right) == expected


def test_tables_whose_names_are_one_word_are_nobodys_either(matched):
    found = matched(
        'CREATE TABLE "straße" (id INTEGER); CREATE TABLE "STRASSE" (id INTEGER)',
        'CREATE TABLE "Strasse" (id INTEGER)',
    )
    assert {(pair.left, pair.right) for pair in found} == {
        ("straße", None),
        ("STRASSE", None),
        (None, "Strasse"),
    }


def test_what_somebody_maps_goes_before_every_likeness(matched):
    (pair,) = matched(
        "CREATE TABLE t (a INTEGER, b INTEGER)",
        "CREATE TABLE t (a INTEGER, b INTEGER)",
        columns_map={("t", "a"): "b"},
    )
    left, right = pair.views
    assert columns(pair) == ["a"]
    assert (pair.only_left, pair.only_right) == (("b",), ("a",))
    assert '"a"' in left.source
    assert '"b"' in right.source


def test_the_key_of_either_side_is_the_key_of_both(matched):
    without = "CREATE TABLE t (v TEXT, a INTEGER, b INTEGER)"
    for scripts in ((ONE, without), (without, ONE)):
        (pair,) = matched(*scripts)
        left, right = pair.views
        assert left.table.key == right.table.key
        assert [pair.columns[name] for name in left.table.key] == ["a", "b"]


@pytest.mark.parametrize("ignored", ["a", "b"])
def test_without_half_of_its_key_a_table_is_compared_as_one_without_a_key(matched, ignored):
    (pair,) = matched(ONE, ONE, ignored=(("t", ignored),))
    left, right = pair.views
    assert (left.table.key, right.table.key) == ((), ())
    assert pair.ignored == (ignored,)
    assert columns(pair) == [name for name in ("a", "b", "v") if name != ignored]


def test_half_of_one_key_leaves_the_key_of_the_other_side(matched):
    other = "CREATE TABLE t (a INTEGER NOT NULL, v TEXT PRIMARY KEY);"
    (pair,) = matched(ONE, other)
    assert [pair.columns[name] for name in pair.views[0].table.key] == ["v"]


def test_a_wish_that_names_nothing_is_refused(matched):
    for wishes in (
        {"ignored": (("t", "nobody"),)},
        {"columns_map": {("nobody", "a"): "b"}},
        {"tables": ("nobody*",)},
        {"tables_map": {"t": "nobody"}},
    ):
        with pytest.raises(UsageProblem):
            matched(ONE, ONE, **wishes)
