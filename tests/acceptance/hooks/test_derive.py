"""Tables that are made from others when a run ends, and proven by making them again."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

SOURCE = """
@hookimpl
def streams():
    return [Stream("src.sales", (Table("sales", (Column("id", INT, True), Column("shop", TEXT),
        Column("amount", ColumnType("decimal", 18, 2))), ("id",)),))]

@hookimpl
def partitions():
    import json
    from pathlib import Path
    rows = Path("rows.json").read_text()
    return [Partition("rows", "digest " + rows, {"rows": json.loads(rows)})]

@hookimpl
def extract(partition):
    from decimal import Decimal
    rows = partition.bounds["rows"]
    yield Frame(pa.table({
        "id": pa.array([one for one, _, _ in rows], pa.int64()),
        "shop": pa.array([two for _, two, _ in rows], pa.string()),
        "amount": pa.array([Decimal(three) for _, _, three in rows], pa.decimal128(18, 2))}))
"""

COLUMNS = 'Column("shop", TEXT), Column("sold", INT), Column("total", ColumnType("decimal", 18, 2))'
SQL = """
@hookimpl
def derive(streams):
    names = {table.name for stream in streams for table in stream.tables}
    assert names <= {"sales", "other"}, names
    return [Derived(Table("by_shop", (COLUMNS,), ("shop",)), ("sales",),
        "SELECT shop, count(*) AS sold, sum(amount) AS total FROM sales GROUP BY shop")]
""".replace("COLUMNS", COLUMNS)

FUNCTION = """
def by_shop(bases):
    groups = bases["sales"].group_by("shop").aggregate([("id", "count"), ("amount", "sum")])
    return pa.table({"shop": groups["shop"], "sold": groups["id_count"],
        "total": groups["amount_sum"].cast(pa.decimal128(18, 2))})

@hookimpl
def derive():
    return [Derived(Table("by_shop", (COLUMNS,), ("shop",)), ("sales",), function=by_shop)]
""".replace("COLUMNS", COLUMNS)

ROWS = [[1, "a", "1.10"], [2, "b", "2.20"], [3, "a", "3.30"]]
BY_SHOP = "SELECT shop, sold FROM by_shop ORDER BY shop"


def give(project, *more):
    project.write("rows.json", json.dumps([*ROWS, *more]))


def totals(project):
    rows = project.query("SELECT total FROM by_shop ORDER BY shop")
    return [Decimal(str(total)) for (total,) in rows]


def verdict(result, table="by_shop"):
    [found] = [item for item in result.json["tables"] if item["table"] == table]
    return found["verdict"], found["reason"]


@pytest.fixture(params=["sql", "function"])
def shop(request, anywhere):
    anywhere.install("src", SOURCE)
    anywhere.install("sums", {"sql": SQL, "function": FUNCTION}[request.param])
    give(anywhere)
    return anywhere


def test_a_derived_table_is_made_and_proven_by_making_it_again(shop):
    first = shop.migrate("run", "--json").matched()
    assert shop.query(BY_SHOP) == [("a", 2), ("b", 1)]
    assert totals(shop) == [Decimal("4.40"), Decimal("2.20")]
    word, reason = verdict(first)
    assert word == "MATCH"
    assert "made again from sales by" in reason
    assert shop.migrate("reconcile", "--json").matched()
    assert shop.migrate("reconcile", "--json", "--against", "source").matched()
    # What has not changed is not made again; what has, is.
    count = f"SELECT count(*) FROM {shop.ledger('receipt')} WHERE kind = 'derived'"
    shop.migrate("run", "--json").matched()
    assert shop.query(count) == [(1,)]
    give(shop, [4, "c", "9.99"])
    shop.migrate("run", "--json").matched()
    assert shop.query(count) == [(2,)]
    assert shop.query(BY_SHOP) == [("a", 2), ("b", 1), ("c", 1)]
    report = first.json["report"]
    assert shop.migrate("report", "verify", report).code == 0
    shop.assert_balanced()


def test_a_derived_table_that_was_edited_by_hand_is_named_and_made_again(shop):
    shop.migrate("run", "--json").matched()
    shop.execute("UPDATE by_shop SET sold = 7 WHERE shop = 'a'")
    proof = shop.migrate("reconcile", "--json").ended(8)
    [difference] = proof.json["differences"]
    assert (difference["table"], difference["key"]) == ("by_shop", {"shop": "a"})
    assert difference["columns"] == ["sold"]
    assert shop.migrate("run").code == 8
    shop.migrate("reconcile", "--repair").ended(0)
    assert shop.query(BY_SHOP) == [("a", 2), ("b", 1)]
    shop.migrate("reconcile", "--json").matched()


def test_what_others_made_of_it_is_never_adopted(shop):
    shop.migrate("run", "--json").matched()
    shop.execute("UPDATE by_shop SET sold = 7 WHERE shop = 'a'")
    shop.migrate("run", "--json", "--accept-foreign", "it is so").matched()
    assert shop.query(BY_SHOP) == [("a", 2), ("b", 1)]


def test_a_base_that_was_changed_makes_it_unknown_until_the_base_is_right(shop):
    shop.migrate("run", "--json").matched()
    shop.execute("UPDATE sales SET shop = 'b' WHERE id = 1")
    proof = shop.migrate("reconcile", "--json").ended(8)
    assert proof.verdicts() == {"sales": "MISMATCH", "by_shop": "UNKNOWN"}
    assert verdict(proof)[1] == "its base sales is not as it was loaded"
    shop.migrate("reconcile", "--repair").ended(0)
    assert shop.query(BY_SHOP) == [("a", 2), ("b", 1)]
    shop.migrate("reconcile", "--json").matched()


def test_a_change_of_a_base_that_is_adopted_makes_it_anew(shop):
    shop.migrate("run", "--json").matched()
    shop.execute("UPDATE sales SET shop = 'b' WHERE id = 1")
    shop.migrate("reconcile", "--accept-foreign", "known", "--json").ended(0)
    assert shop.query(BY_SHOP) == [("a", 1), ("b", 2)]
    shop.migrate("reconcile", "--json").matched()


def test_both_were_changed_alike_and_that_is_no_match(shop):
    """Somebody who changes a base and what follows from it deceives neither."""
    shop.migrate("run", "--json").matched()
    shop.execute("UPDATE sales SET shop = 'b' WHERE id = 1")
    shop.execute("UPDATE by_shop SET sold = 1 WHERE shop = 'a'")
    shop.execute("UPDATE by_shop SET sold = 2 WHERE shop = 'b'")
    proof = shop.migrate("reconcile", "--json").ended(8)
    assert proof.verdicts() == {"sales": "MISMATCH", "by_shop": "MISMATCH"}
    shop.migrate("reconcile", "--repair").ended(0)
    shop.migrate("reconcile", "--json").matched()
    assert shop.query(BY_SHOP) == [("a", 2), ("b", 1)]


def test_without_its_plugin_it_is_unknown(anywhere):
    anywhere.install("src", SOURCE)
    anywhere.install("sums", SQL)
    give(anywhere)
    anywhere.migrate("run", "--json").matched()
    proof = anywhere.migrate("reconcile", "--json", "--plugins", "src").ended(8)
    assert proof.verdicts() == {"sales": "MATCH", "by_shop": "UNKNOWN"}
    assert "no selected plugin makes this table" in verdict(proof)[1]
    # A run without it changes a base, and nobody makes the table anew.
    give(anywhere, [4, "c", "9.99"])
    anywhere.migrate("run", "--json", "--plugins", "src").matched()
    proof = anywhere.migrate("reconcile", "--json").ended(8)
    assert verdict(proof) == ("UNKNOWN", "bases changed since: sales")
    anywhere.migrate("run", "--json").matched()
    anywhere.migrate("reconcile", "--json").matched()


BROKEN = {
    "query": ("count(*) AS sold", "nothing AS sold", 6),
    "type": ("count(*) AS sold", "'x' AS sold", 4),
    "null_key": ("SELECT shop,", "SELECT NULL AS shop,", 4),
    "clock": ("count(*) AS sold", "RANDOM AS sold", 4),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_made_is_unknown_and_never_a_match(anywhere, name):
    old, new, code = BROKEN[name]
    anywhere.install("src", SOURCE)
    is_sqlite = anywhere.target.startswith("sqlite")
    number = "abs(random() % 1000000)" if is_sqlite else "CAST(1000000 * random() AS integer)"
    anywhere.install("sums", SQL.replace(old, new.replace("RANDOM", number)))
    give(anywhere)
    result = anywhere.migrate("run", "--json")
    assert result.verdicts() == {"sales": "MATCH", "by_shop": "UNKNOWN"}
    assert result.json["verdict"] == "UNKNOWN"
    assert result.code == code
    proof = anywhere.migrate("reconcile", "--json").ended(8)
    assert verdict(proof) == ("UNKNOWN", "it was never made")
    anywhere.install("sums", SQL, select=False)
    anywhere.migrate("run", "--json").matched()
    assert anywhere.query(BY_SHOP) == [("a", 2), ("b", 1)]


def test_a_query_that_fails_only_when_it_is_proven_is_unknown(anywhere):
    anywhere.install("src", SOURCE)
    anywhere.execute("CREATE TABLE rates (rate integer)", "INSERT INTO rates VALUES (1)")
    anywhere.install("sums", SQL.replace("FROM sales", "FROM sales, rates"))
    give(anywhere)
    anywhere.migrate("run", "--json").matched()
    anywhere.execute("DROP TABLE rates")
    proof = anywhere.migrate("reconcile", "--json").ended(8)
    assert proof.verdicts() == {"sales": "MATCH", "by_shop": "UNKNOWN"}
    assert "it could not be made again" in verdict(proof)[1]
    anywhere.execute("CREATE TABLE rates (rate integer)", "INSERT INTO rates VALUES (1), (2)")
    proof = anywhere.migrate("reconcile", "--json").ended(8)
    assert verdict(proof)[0] == "MISMATCH"


REFUSED = {
    "float": (COLUMNS, 'Column("shop", TEXT), Column("sold", ColumnType("float64"))', "sold is of"),
    "unknown_base": ('("other",)', '("nothing",)', "by_shop is made from nothing, which is no"),
    "itself": ('("other",)', '("by_shop",)', "it is made from itself"),
    "double": ("return [Derived(", "return 2 * [Derived(", "there is a table by_shop already"),
    "neither": ("return [Derived(", "return [3, (", "gave a int, and no Derived"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_that_cannot_be_derived_is_one_line_and_exit_4(project, name):
    old, new, why = REFUSED[name]
    project.install("src", SOURCE.replace('"sales", (Column', '"other", (Column'))
    project.install("sums", SQL.replace('("sales",)', '("other",)').replace(old, new))
    give(project)
    result = project.migrate("run")
    assert result.code == 4
    [line] = result.errors
    assert why in line
    assert "plugin sums" in line


KILLED = """
import signal
import messy_migration.run.derive as derive_

def dying(*args, **kwargs):
    made = original(*args, **kwargs)
    if os.path.exists("deadly"):
        os.kill(os.getpid(), signal.SIGKILL)
    return made

original, derive_._replace = derive_._replace, dying
"""


def test_a_run_that_is_killed_while_it_derives_ends_like_any_other(anywhere):
    anywhere.install("src", SOURCE)
    anywhere.install("sums", SQL + KILLED)
    give(anywhere)
    deadly = anywhere.write("deadly", "")
    assert anywhere.migrate_apart("run", "--json").code == -9
    assert anywhere.query(BY_SHOP) == []
    deadly.unlink()
    anywhere.migrate("run", "--json").matched()
    assert anywhere.query(BY_SHOP) == [("a", 2), ("b", 1)]


def test_a_float_is_rounded_as_declared_and_a_key_may_cover_the_table(anywhere):
    anywhere.install("src", SOURCE)
    anywhere.install("sums", SQL.replace("sum(amount)", "sum(amount) / 3.0"))
    give(anywhere)
    secret = {
        "MIGRATE_FINGERPRINT_KEY": "env://OF_ROWS",
        "OF_ROWS": "a secret that is long enough for a key",
    }
    anywhere.migrate("run", "--json", **secret).matched()
    assert totals(anywhere) == [Decimal("1.47"), Decimal("0.73")]
    proof = anywhere.migrate("reconcile", "--json", **secret).matched()
    assert proof.table("by_shop")["keyed"]["verdict"] == "MATCH"
