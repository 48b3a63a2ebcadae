"""MATCH only for what was read and is equal: what cannot be read beside the rows is UNKNOWN."""

from __future__ import annotations

import pytest

from messy_migration.compare.budget import Budget, Progress
from messy_migration.errors import TargetError, TargetUnavailable
from messy_migration.fingerprint.rows import fingerprint, format_id
from messy_migration.model import Fingerprint, ForeignKey
from messy_migration.reconcile import prove as proving
from messy_migration.reconcile.prove import beside, prove
from messy_migration.reconcile.verdict import Check

from ..sqlite_site import Meddling, data_of, site_in, state_of, table_of

KINDS = {"id": "int32", "parent": "int32", "v": "text"}
CHILD = table_of(
    "child", KINDS, ("id",), foreign_keys=(ForeignKey(("parent",), "parents", ("id",)),)
)
PARENTS = table_of("parents", {"id": "int32", "v": "text"}, ("id",))
ROWS = [(1, 1, "a"), (2, None, "b"), (3, 2, None)]
LOADED = fingerprint(data_of(CHILD, *ROWS), CHILD.columns)


@pytest.fixture
def site(tmp_path):
    site = site_in(tmp_path)
    site.create(PARENTS, (1, "x"), (2, "y"))
    site.create(CHILD, *ROWS)
    return site


def proven(site, *states, sums=None, incomplete=(), dialect=None, **how):
    states = states or (state_of(CHILD),)
    known = {(*state.key, state.format_id): LOADED for state in states}
    sums = known if sums is None else sums
    with site.reading() as connection:
        dialect = dialect or site.dialect
        return list(prove(connection, dialect, states, sums, dict(incomplete), **how))


def failing(error, *names):
    """An act that raises when it comes to a table of these names."""

    def act(_connection, table="", *_):
        if not names or getattr(table, "name", table) in names:
            raise error

    return act


REFUSED = TargetError("the target refused", "table parents", "permission denied")


def test_rows_that_are_there_with_their_parents_match(site):
    (verdict,) = proven(site)
    assert (verdict.verdict, verdict.reason) == ("MATCH", "")
    assert verdict.expected == verdict.actual == LOADED
    assert verdict.orphans == (("parent -> parents", 0),)
    assert [(one.name, one.verdict) for one in verdict.checks] == [("key", "MATCH")]
    assert (verdict.table, verdict.scope, verdict.stream) == ("child", (), "shop.s")


def test_a_table_without_receipts_is_expected_to_be_empty(site):
    (verdict,) = proven(site, sums={})
    assert (verdict.expected, verdict.verdict) == (Fingerprint(), "MISMATCH")
    assert verdict.reason == "3 rows, expected 0"


def test_sums_under_another_format_are_another_tables(site):
    sums = {("child", (), "0" * 16): LOADED, ("child", (("a", "b"),), format_id(CHILD)): LOADED}
    (verdict,) = proven(site, sums=sums)
    assert verdict.verdict == "MISMATCH"


@pytest.mark.parametrize(
    "statement, reason",
    [
        ("DELETE FROM child WHERE id = 1", "2 rows, expected 3"),
        ("UPDATE child SET v = 'z' WHERE id = 1", "the number of rows is right, their content is"),
        ("UPDATE child SET v = '' WHERE id = 3", "content"),
        ("DROP TABLE child", "the table is gone"),
        ("ALTER TABLE child DROP COLUMN v", "v"),
        ("DELETE FROM parents WHERE id = 2", "1 rows miss parent -> parents"),
    ],
)
def test_every_kind_of_damage_is_a_mismatch_with_its_reason(site, statement, reason):
    site.run("PRAGMA foreign_keys = OFF", statement)
    (verdict,) = proven(site)
    assert verdict.verdict == "MISMATCH"
    assert reason in verdict.reason


@pytest.mark.parametrize("statement", ["DROP TABLE child", "ALTER TABLE child DROP COLUMN v"])
def test_of_what_was_not_read_nothing_else_is_said(site, statement):
    site.run(statement)
    (verdict,) = proven(site)
    assert (verdict.actual, verdict.orphans, verdict.checks) == (None, (), ())


def test_parents_whose_table_cannot_be_read_are_unknown_and_not_found(site):
    """The role may read the child, and not the parent."""
    for error in (REFUSED, TargetError("the target refused", "table parents")):
        dialect = Meddling(site.dialect, columns=failing(error, "parents"))
        (verdict,) = proven(site, dialect=dialect)
        assert (verdict.verdict, verdict.actual) == ("UNKNOWN", LOADED)
        assert verdict.reason == "the parents cannot be read: parent -> parents"
        assert verdict.orphans == (("parent -> parents", None),)


def test_parents_whose_table_is_gone_are_unknown(site):
    site.run("PRAGMA foreign_keys = OFF", "DROP TABLE parents")
    (verdict,) = proven(site)
    assert verdict.verdict == "UNKNOWN"
    assert verdict.orphans == (("parent -> parents", None),)


def test_a_table_that_cannot_be_read_is_unknown_and_stops_no_other(site):
    dialect = Meddling(site.dialect, columns=failing(REFUSED, "child"))
    first, second = proven(site, state_of(CHILD), state_of(PARENTS), dialect=dialect)
    assert (first.verdict, first.actual) == ("UNKNOWN", None)
    assert first.reason == "the table could not be read: permission denied"
    assert second.verdict == "MISMATCH"
    (only,) = proven(site, dialect=Meddling(site.dialect, fingerprint=failing(REFUSED)))
    assert (only.verdict, only.actual, only.checks) == ("UNKNOWN", None, ())


def test_a_server_that_is_away_leaves_all_that_follows_unknown(site):
    away = TargetUnavailable("the target is away", "target", "it shut down")
    dialect = Meddling(site.dialect, columns=failing(away, "child"))
    verdicts = proven(site, state_of(CHILD), state_of(PARENTS), dialect=dialect)
    assert [one.verdict for one in verdicts] == ["UNKNOWN"] * 2
    assert {one.reason for one in verdicts} == {
        "the connection to the target was lost: it shut down"
    }
    assert {one.actual for one in verdicts} == {None}


@pytest.mark.parametrize("at", ["parents", "checks"])
def test_a_server_that_goes_away_beside_the_rows_leaves_the_table_unknown(site, monkeypatch, at):
    away = TargetUnavailable("the target is away", "target", "it shut down")
    if at == "parents":
        dialect = Meddling(site.dialect, columns=failing(away, "parents"))
    else:
        dialect = site.dialect
        monkeypatch.setattr(proving, "checks", lambda *_: failing(away)(None))
    (verdict,) = proven(site, dialect=dialect)
    assert (verdict.verdict, verdict.actual) == ("UNKNOWN", None)
    assert "it shut down" in verdict.reason


@pytest.mark.parametrize("at", ["parents", "checks", "rows"])
def test_a_connection_that_is_lost_is_no_refusal(site, monkeypatch, at):
    """The server ended it: what it refused says nothing of this table, or of the next."""

    def lose(connection, table="", *_):
        if at == "checks" or getattr(table, "name", table) == {"rows": "child"}.get(at, at):
            connection.invalidate()
            raise TargetError("the target refused", "table child", "the server closed it")

    dialect = Meddling(site.dialect, **({} if at == "checks" else {"columns": lose}))
    if at == "checks":
        monkeypatch.setattr(proving, "checks", lambda connection, *_: lose(connection))
    verdicts = proven(site, state_of(CHILD), state_of(PARENTS), dialect=dialect)
    assert [(one.verdict, one.actual) for one in verdicts] == [("UNKNOWN", None)] * 2
    assert all(one.reason.startswith("the connection to the target was lost") for one in verdicts)


def test_checks_that_cannot_be_made_are_said_and_stop_no_match(site, monkeypatch):
    monkeypatch.setattr(proving, "checks", lambda *_: failing(REFUSED)(None))
    (verdict,) = proven(site)
    assert verdict.verdict == "MATCH"
    (check,) = verdict.checks
    assert (check.verdict, check.why) == ("UNKNOWN", "permission denied")


def test_a_budget_that_ends_in_the_checks_leaves_the_table_unknown(site, monkeypatch):
    progress = Progress(Budget(seconds=60))

    def too_late(*_):
        progress.begin -= 120
        raise TargetError("the target refused", "table child", "canceled")

    monkeypatch.setattr(proving, "checks", too_late)
    (verdict,) = proven(site, progress=progress)
    assert (verdict.verdict, verdict.actual) == ("UNKNOWN", LOADED)
    assert verdict.reason == "not looked at: the 60 seconds are over"


def test_a_budget_that_ends_after_all_was_looked_at_costs_no_match(site, monkeypatch):
    progress = Progress(Budget(seconds=60))
    complete = proving.checks

    def late(*arguments):
        found = complete(*arguments)
        progress.begin -= 120
        return found

    monkeypatch.setattr(proving, "checks", late)
    first, second = proven(site, state_of(CHILD), state_of(PARENTS), progress=progress)
    assert first.verdict == "MATCH"
    assert (second.verdict, second.actual) == ("UNKNOWN", None)
    assert second.reason == "not looked at: the 60 seconds are over"


def test_a_budget_of_differences_that_is_spent_leaves_the_rest_unknown(site):
    progress = Progress(Budget(stop_after=2), found=2)
    (verdict,) = proven(site, progress=progress)
    assert verdict.verdict == "UNKNOWN"
    assert verdict.reason == "not looked at: 2 differences were found before"


def test_a_table_that_was_not_read_in_time_says_so(site):
    progress = Progress(Budget(seconds=60))

    def late(*_):
        progress.begin -= 120
        raise TargetError("the target refused", "table child", "canceled")

    (verdict,) = proven(site, dialect=Meddling(site.dialect, fingerprint=late), progress=progress)
    assert (verdict.verdict, verdict.reason) == (
        "UNKNOWN",
        "not looked at: the 60 seconds are over",
    )


def test_a_stream_that_was_not_all_read_has_no_match(site):
    (verdict,) = proven(site, incomplete={"shop.s": "a page is missing"})
    assert (verdict.verdict, verdict.reason) == ("UNKNOWN", "a page is missing")
    site.run("UPDATE child SET v = 'z' WHERE id = 1")
    (verdict,) = proven(site, incomplete={"shop.s": "a page is missing"})
    assert verdict.verdict == "MISMATCH"
    (other,) = proven(site, incomplete={"shop.other": "a page is missing"})
    assert other.verdict == "MISMATCH"


def test_missing_parents_of_a_stream_that_was_not_all_read_are_not_held_against_it(site):
    site.run("PRAGMA foreign_keys = OFF", "DELETE FROM parents WHERE id = 2")
    (verdict,) = proven(site, incomplete={"shop.s": "a page is missing"})
    assert verdict.verdict == "UNKNOWN"


def test_rows_alone_are_proven_where_that_is_asked(site):
    site.run("PRAGMA foreign_keys = OFF", "DELETE FROM parents WHERE id = 2")
    (verdict,) = proven(site, rows_only=True)
    assert (verdict.verdict, verdict.orphans, verdict.checks) == ("MATCH", (), ())


def test_rows_that_were_there_before_are_said_beside_a_match_alone(site):
    said = "7 rows were there before the first run"
    (verdict,) = proven(site, state_of(CHILD, baseline_rows=7))
    assert (verdict.verdict, verdict.reason) == ("MATCH", said)
    (verdict,) = proven(site, state_of(CHILD, baseline_rows=7), sums={})
    assert said not in verdict.reason


def test_the_scan_that_is_asked_for_is_the_one_that_counts(site):
    asked = []

    def scan(state):
        asked.append(state.table.name)
        return LOADED

    site.run("UPDATE child SET v = 'z' WHERE id = 1")
    (verdict,) = proven(site, scan=scan)
    assert (verdict.verdict, asked) == ("MATCH", ["child"])


def test_a_key_that_the_database_no_longer_keeps_is_a_mismatch(site):
    site.run("CREATE TABLE loose (id INTEGER, v TEXT)")
    loose = table_of("loose", {"id": "int32", "v": "text"}, ("id",))
    state = state_of(loose)
    (verdict,) = proven(site, state, sums={})
    assert verdict.verdict == "MISMATCH"
    assert "no longer refuses a second row" in verdict.reason
    (pending,) = proven(site, state_of(loose, key_pending=True), sums={})
    assert pending.verdict == "MATCH"


GOOD, BAD = Check("key", "key id", "MATCH"), Check("counter", "c", "MISMATCH", "is behind")
UNSEEN = Check("counter", "c", "UNKNOWN", "no right")


@pytest.mark.parametrize(
    "orphans, checks, word, reason",
    [
        ([], [], "MATCH", ""),
        ([("a -> p", 0)], [GOOD, UNSEEN], "MATCH", ""),
        ([("a -> p", 0)], [GOOD, BAD], "MISMATCH", "c: is behind"),
        ([("a -> p", 2), ("b -> q", 1_000)], [BAD], "MISMATCH",
         "2 rows miss a -> p; 1,000 rows miss b -> q"),
        ([("a -> p", None), ("b -> q", 3)], [GOOD], "MISMATCH", "3 rows miss b -> q"),
        ([("a -> p", None), ("b -> q", None)], [BAD], "UNKNOWN",
         "the parents cannot be read: a -> p, b -> q"),
    ],
)  # fmt: skip
def test_the_word_beside_the_rows_is_the_worst_that_is_known(orphans, checks, word, reason):
    assert beside(iter(orphans), iter(checks)) == (word, reason)
