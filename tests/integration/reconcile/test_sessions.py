"""Whatever a role or a database has set: every row of the very table is proven, or nothing is."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from sqlalchemy import make_url

from ..hostile import TRACES, hostile
from ..shop import ROWS, Shop, lines, verdict

FORMS = [{}, {"against": "landed"}, {"against": "source"}, {"quick": True}]


@dataclass
class Seen:
    """A loaded shop; the role owns nothing, and may do all the rest."""

    shop: Shop
    role: str
    login: str = field(repr=False)

    def begin(self):
        """From now on commands know the target by the role alone."""
        self.shop.target = self.login
        self.shop.configure()


@pytest.fixture
def seen(on_postgres, postgres_server):
    owner, schemas = on_postgres.target, "SCHEMA public, messy_migration"
    with postgres_server.role(owner) as login:
        role = make_url(login).username
        on_postgres.execute(
            f"GRANT ALL ON {schemas} TO {role}",
            f"GRANT ALL ON ALL TABLES IN {schemas} TO {role}",
            f"GRANT ALL ON ALL SEQUENCES IN {schemas} TO {role}",
        )
        yield Seen(on_postgres, role, login)
        on_postgres.target = owner


HIDING = (
    "ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY half ON orders USING (id <= {ROWS})",
    "INSERT INTO orders (id, name) VALUES (666, 'hidden')",
)


@pytest.mark.parametrize("asked", FORMS, ids=str)
def test_g04_a_policy_that_hides_an_extra_row_is_unknown_in_every_form(seen, asked):
    shop = seen.shop
    shop.execute(*HIDING)
    seen.begin()
    result = shop.reconcile(**asked)
    assert result.exit_code == 8
    assert "row-level security policy" in str(result)


def test_g04_a_run_says_beforehand_that_a_policy_hides_rows(seen, caplog):
    shop = seen.shop
    name = make_url(shop.target).database
    # A first run, which has nothing to prove before it writes.
    shop.execute(*HIDING, "DROP SCHEMA messy_migration CASCADE")
    shop.execute(f'GRANT CREATE ON DATABASE "{name}" TO {seen.role}')
    seen.begin()
    outcome = shop.run()
    assert (outcome.verdict, outcome.exit_code) == ("UNKNOWN", 8)
    assert "table orders: row-level security applies to this role" in caplog.text


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


def test_a_trigger_finds_what_it_names_and_sees_what_its_role_may(seen):
    shop = seen.shop
    shop.execute(
        "CREATE TABLE rules (word text)",
        "INSERT INTO rules VALUES ('ours'), ('hidden')",
        "ALTER TABLE rules ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY ours ON rules FOR SELECT USING (word = 'ours')",
        "CREATE TABLE seen (number bigint)",
        f"GRANT ALL ON rules, seen TO {seen.role}",
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO seen SELECT count(*) FROM rules; RETURN NEW; END$$",
        "CREATE TRIGGER look BEFORE INSERT OR UPDATE ON orders"
        " FOR EACH ROW EXECUTE FUNCTION look()",
    )
    seen.begin()
    changed = lines(ROWS + 1)
    shop.write_orders(*changed[-2:], name="orders2.csv")
    outcome = shop.run()
    assert (outcome.verdict, outcome.exit_code) == ("MATCH", 0), outcome
    assert set(shop.query("SELECT number FROM seen")) == {(1,)}


def test_g05_what_others_make_in_public_runs_in_no_run_and_no_proof(on_postgres):
    on_postgres.execute(*hostile())
    name = make_url(on_postgres.target).database
    on_postgres.execute(f'ALTER DATABASE "{name}" SET search_path = public, pg_catalog')
    # One row is new, one changed, and one amount was put wrong by hand.
    first, *_ = lines(1)
    on_postgres.write_orders(
        first.replace("name 1", "other").replace("2024", "2025"), name="orders2.csv"
    )
    on_postgres.execute("UPDATE orders SET total = 0 WHERE id = 7")
    assert on_postgres.reconcile().verdict == "MISMATCH"
    assert on_postgres.reconcile(against="landed").verdict == "MISMATCH"
    on_postgres.execute("UPDATE orders SET total = 7.25 WHERE id = 7")
    assert on_postgres.run().verdict == "MATCH"
    # Not the quick one: row 7 was written by hand.
    for asked in FORMS[:-1]:
        assert on_postgres.reconcile(**asked).exit_code == 0
    assert on_postgres.query(TRACES) == [(0,)]
