"""Whatever a role or a database has set: every row of the very table is proven, or nothing is."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from ..hostile import TRACES, hostile
from ..shop import ROWS, lines, verdict

ROLE = "mm_shop_role"
FORMS = [{}, {"against": "landed"}, {"against": "source"}, {"quick": True}]


@pytest.fixture
def as_role(on_postgres):
    """The loaded shop, from now on seen by a role that owns nothing but may do all the rest."""
    schemas = "SCHEMA public, messy_migration"
    on_postgres.execute(
        f"DROP ROLE IF EXISTS {ROLE}",
        f"CREATE ROLE {ROLE} LOGIN PASSWORD 'throw-away'",
        f"GRANT ALL ON {schemas} TO {ROLE}",
        f"GRANT ALL ON ALL TABLES IN {schemas} TO {ROLE}",
        f"GRANT ALL ON ALL SEQUENCES IN {schemas} TO {ROLE}",
    )
    owner = on_postgres.url
    reader = make_url(owner).set(username=ROLE, password="throw-away")

    def see():
        on_postgres.url = reader.render_as_string(hide_password=False)
        on_postgres.configure()

    yield on_postgres, see
    on_postgres.url = owner
    on_postgres.execute(f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


HIDING = (
    "ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY half ON orders USING (id <= {ROWS})",
    "INSERT INTO orders (id, name) VALUES (666, 'hidden')",
)


@pytest.mark.parametrize("asked", FORMS, ids=str)
def test_g04_a_policy_that_hides_an_extra_row_is_unknown_in_every_form(as_role, asked):
    shop, see = as_role
    shop.execute(*HIDING)
    see()
    result = shop.reconcile(**asked)
    assert result.exit_code == 8
    assert "row-level security policy" in str(result)


def test_g04_a_run_says_beforehand_that_a_policy_hides_rows(as_role, caplog):
    shop, see = as_role
    shop.execute(*HIDING)
    see()
    shop.write(*lines(ROWS + 1), name="orders2.csv")
    outcome = shop.run()
    assert (outcome.verdict, outcome.exit_code) != ("MATCH", 0)
    assert "row-level security" in caplog.text


def test_g12_rows_of_a_child_are_no_rows_of_the_table(on_postgres):
    on_postgres.execute(
        "CREATE TABLE more () INHERITS (orders)",
        "INSERT INTO more (id, name) VALUES (900, 'its own')",
    )
    assert on_postgres.reconcile().verdict == "MATCH"
    on_postgres.execute(
        "INSERT INTO more SELECT * FROM ONLY orders WHERE id = 3",
        "DELETE FROM ONLY orders WHERE id = 3",
    )
    result = on_postgres.reconcile()
    assert (result.verdict, result.exit_code) == ("MISMATCH", 8)
    assert on_postgres.reconcile(against="landed").verdict == "MISMATCH"
    assert on_postgres.reconcile(repair="all").exit_code == 0
    assert on_postgres.query("SELECT count(*) FROM ONLY orders") == [(ROWS,)]
    assert on_postgres.query("SELECT count(*) FROM more") == [(2,)]


@pytest.mark.parametrize("against", ["ledger", "landed"])
def test_an_index_that_names_a_function_badly_is_read_along_the_roles_path(on_postgres, against):
    on_postgres.execute(
        "CREATE FUNCTION inner_word(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1'",
        "CREATE FUNCTION word(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT inner_word($1)'",
        "CREATE INDEX ON orders (word(name))",
    )
    result = on_postgres.reconcile(against=against)
    assert (result.verdict, result.exit_code) == ("MATCH", 0)
    assert "orders was read under the role's own search_path" in verdict(result).reason


def test_a_trigger_finds_what_it_names_and_sees_what_its_role_may(as_role):
    shop, see = as_role
    shop.execute(
        "CREATE TABLE rules (word text)",
        "INSERT INTO rules VALUES ('ours'), ('hidden')",
        "ALTER TABLE rules ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY ours ON rules FOR SELECT USING (word = 'ours')",
        "CREATE TABLE seen (number bigint)",
        f"GRANT ALL ON rules, seen TO {ROLE}",
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO seen SELECT count(*) FROM rules; RETURN NEW; END$$",
        "CREATE TRIGGER look BEFORE INSERT OR UPDATE ON orders"
        " FOR EACH ROW EXECUTE FUNCTION look()",
    )
    see()
    changed = lines(ROWS + 1)
    shop.write(*changed[-2:], name="orders2.csv")
    outcome = shop.run()
    assert (outcome.verdict, outcome.exit_code) == ("MATCH", 0), outcome
    assert set(shop.query("SELECT number FROM seen")) == {(1,)}


def test_g05_what_others_make_in_public_runs_in_no_run_and_no_proof(on_postgres):
    on_postgres.execute(*hostile())
    name = make_url(on_postgres.url).database
    on_postgres.execute(f'ALTER DATABASE "{name}" SET search_path = public, pg_catalog')
    # One row is new, one changed, and one amount was put wrong by hand.
    first, *_ = lines(1)
    on_postgres.write(first.replace("name 1", "other").replace("2024", "2025"), name="orders2.csv")
    on_postgres.execute("UPDATE orders SET total = 0 WHERE id = 7")
    assert on_postgres.reconcile().verdict == "MISMATCH"
    assert on_postgres.reconcile(against="landed").verdict == "MISMATCH"
    on_postgres.execute("UPDATE orders SET total = 7.25 WHERE id = 7")
    assert on_postgres.run().verdict == "MATCH"
    for asked in FORMS:
        assert on_postgres.reconcile(**asked).exit_code == 0
    assert on_postgres.query(TRACES) == [(0,)]
