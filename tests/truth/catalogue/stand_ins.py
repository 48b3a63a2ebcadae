"""Views, rules and triggers: what stands in the place of the table, or acts when rows come."""

from __future__ import annotations

from ..entries import (
    BETWEEN,
    CLOSING,
    ERROR_6,
    LANDED,
    LEDGER,
    MATCH,
    MISMATCH,
    POSTGRESQL,
    QUICK,
    RUN,
    SOURCE,
    SQLITE,
    UNKNOWN,
    Entry,
    on_targets,
    postgresql,
)

WITHOUT = (LEDGER, LANDED, SOURCE, QUICK, RUN, CLOSING)
NO_LEDGER = "between compares tables, and finds none of that name"
AWAY = (
    "CREATE TABLE aside AS SELECT * FROM notes WHERE order_id = 7",
    "UPDATE notes SET body = 'another' WHERE order_id = 7",
    "ALTER TABLE notes RENAME TO kept",
    "CREATE VIEW notes AS SELECT * FROM kept WHERE order_id <> 7 UNION ALL SELECT * FROM aside",
)
FROZEN = (
    "CREATE TABLE aside AS SELECT * FROM orders",
    "UPDATE orders SET paid = NOT paid WHERE id = 7",
    "ALTER TABLE orders RENAME TO kept",
    (
        "CREATE MATERIALIZED VIEW orders AS SELECT id, name, total::numeric(12,2) AS total,"
        " currency, changed, weight, born, token, paid, doc, raw FROM aside"
    ),
    "CREATE UNIQUE INDEX ON orders (id)",
)


def _in_a_function(body, when="BEFORE INSERT", each="FOR EACH ROW", table="orders", more=""):
    """Statements of PostgreSQL for a trigger with a body."""
    return (
        f"CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} END$$",
        f"CREATE {more} TRIGGER act {when} ON {table} {each} EXECUTE FUNCTION act()",
    )


LOADED = (RUN,)
"""The harm comes with the rows of the next run."""

ENTRIES = [
    Entry(
        "view-shows-what-was-loaded",
        "somebody changes a note, renames the table, and puts a view in its place that shows the"
        " old one",
        on_targets(*AWAY),
        UNKNOWN,
        says="view",
        but={BETWEEN: MISMATCH},
        why_but=NO_LEDGER,
        is_sampled=True,
    ),
    Entry(
        "materialized-view-in-its-place",
        "somebody changes an order, and a materialized view of before gets the table's name",
        postgresql(*FROZEN),
        UNKNOWN,
        says="view",
        forms=WITHOUT,
    ),
    Entry(
        "view-of-the-same-name-in-temp",
        "another session has a temporary table of the same name",
        {
            POSTGRESQL: lambda site: site.hold("CREATE TEMP TABLE orders (id integer)"),
            SQLITE: lambda site: site.hold("CREATE TEMP TABLE orders (id integer)"),
        },
        MATCH,
    ),
    Entry(
        "view-over-the-table",
        "somebody makes a view over the table, under a name of its own",
        on_targets("CREATE VIEW seen AS SELECT * FROM orders WHERE id < 10"),
        MATCH,
    ),
    Entry(
        "trigger-trims",
        "a trigger trims a text of each row that comes in",
        {
            POSTGRESQL: _in_a_function("NEW.name := rtrim(NEW.name); RETURN NEW;"),
            SQLITE: (
                (
                    "CREATE TRIGGER act AFTER INSERT ON orders BEGIN"
                    " UPDATE orders SET name = rtrim(name) WHERE id = NEW.id; END"
                ),
            ),
        },
        MATCH,
        but={RUN: MISMATCH},
        why_but="nothing is wrong before rows come in",
        forms=(LEDGER, RUN),
    ),
    Entry(
        "trigger-deletes",
        "a trigger deletes one of the rows that come in, after they were counted",
        {
            POSTGRESQL: _in_a_function(
                "DELETE FROM orders WHERE id = 1001; RETURN NULL;",
                "AFTER INSERT",
                "FOR EACH STATEMENT",
            ),
            SQLITE: (
                (
                    "CREATE TRIGGER act AFTER INSERT ON orders WHEN NEW.id = 1002 BEGIN"
                    " DELETE FROM orders WHERE id = 1001; END"
                ),
            ),
        },
        MISMATCH,
        forms=LOADED,
        but={RUN: MISMATCH},
        why_but="nothing is wrong before rows come in",
    ),
    Entry(
        "trigger-drops-rows",
        "a trigger lets a row that comes in fall under the table",
        {
            POSTGRESQL: _in_a_function("IF NEW.id = 1001 THEN RETURN NULL; END IF; RETURN NEW;"),
            SQLITE: (
                (
                    "CREATE TRIGGER act BEFORE INSERT ON orders WHEN NEW.id = 1001 BEGIN"
                    " SELECT RAISE(IGNORE); END"
                ),
            ),
        },
        MISMATCH,
        forms=LOADED,
        but={RUN: f"{ERROR_6}|UNKNOWN 6|{MISMATCH}"},
        why_but="the batch is refused whole, since a row less was taken than was sent",
    ),
    Entry(
        "trigger-touches-another-row",
        "a trigger changes a row of long ago whenever one comes in",
        {
            POSTGRESQL: _in_a_function(
                "UPDATE orders SET paid = NOT paid WHERE id = 7; RETURN NULL;",
                "AFTER INSERT",
                "FOR EACH STATEMENT",
            ),
            SQLITE: (
                (
                    "CREATE TRIGGER act AFTER INSERT ON orders WHEN NEW.id = 1001 BEGIN"
                    " UPDATE orders SET paid = 1 - paid WHERE id = 7; END"
                ),
            ),
        },
        MISMATCH,
        forms=LOADED,
        but={RUN: MISMATCH},
        why_but="nothing is wrong before rows come in",
    ),
    Entry(
        "trigger-at-commit",
        "a deferred trigger changes the rows at COMMIT, after the last statement of the batch",
        postgresql(
            *_in_a_function(
                "UPDATE orders SET name = 'late' WHERE id = NEW.id AND name <> 'late';"
                " RETURN NULL;",
                "AFTER INSERT",
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
                more="CONSTRAINT",
            )
        ),
        MISMATCH,
        forms=LOADED,
        but={RUN: MISMATCH},
        why_but="nothing is wrong before rows come in",
    ),
    Entry(
        "trigger-only-watches",
        "a trigger writes into a log of its own for each row that comes in",
        {
            POSTGRESQL: (
                "CREATE TABLE log (id integer)",
                "GRANT ALL ON log TO PUBLIC",
                *_in_a_function("INSERT INTO log VALUES (NEW.id); RETURN NEW;"),
            ),
            SQLITE: (
                "CREATE TABLE log (id integer)",
                (
                    "CREATE TRIGGER act AFTER INSERT ON orders BEGIN"
                    " INSERT INTO log VALUES (NEW.id); END"
                ),
            ),
        },
        MATCH,
        forms=(LEDGER, QUICK, RUN),
        after=("SELECT count(*) FROM log", 6),
    ),
    Entry(
        "trigger-off",
        "a trigger that would trim is there and switched off",
        postgresql(
            *_in_a_function("NEW.name := rtrim(NEW.name); RETURN NEW;"),
            "ALTER TABLE orders DISABLE TRIGGER act",
        ),
        MATCH,
    ),
    Entry(
        "trigger-writes-the-receipt",
        "a trigger on the ledger makes the receipt of each batch say less",
        postgresql(
            *_in_a_function(
                "NEW.loaded := NEW.loaded - 1; NEW.quarantined := NEW.quarantined + 1; RETURN NEW;",
                table="messy_migration.receipt",
            )
        ),
        UNKNOWN,
        forms=LOADED,
        but={RUN: UNKNOWN},
        why_but="nothing is wrong before rows come in",
        is_sampled=True,
    ),
    Entry(
        "trigger-writes-the-receipt-at-commit",
        "a deferred trigger on the ledger changes the receipt of each batch as it commits",
        postgresql(
            *_in_a_function(
                "UPDATE messy_migration.receipt SET loaded = loaded - 1,"
                " quarantined = quarantined + 1 WHERE seq = NEW.seq; RETURN NULL;",
                when="AFTER INSERT",
                each="DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
                table="messy_migration.receipt",
                more="CONSTRAINT",
            )
        ),
        UNKNOWN,
        forms=LOADED,
        but={RUN: UNKNOWN},
        why_but="nothing is wrong before rows come in",
    ),
    Entry(
        "trigger-writes-the-parts-of-a-receipt",
        "a trigger on the ledger counts an inserted row as an updated one",
        postgresql(
            *_in_a_function(
                "NEW.inserted := NEW.inserted - 1; NEW.updated := NEW.updated + 1; RETURN NEW;",
                table="messy_migration.receipt_table",
            )
        ),
        UNKNOWN,
        forms=LOADED,
        but={RUN: UNKNOWN},
        why_but="nothing is wrong before rows come in",
    ),
    Entry(
        "rule-instead-of-insert",
        "a rule turns every INSERT into nothing",
        postgresql("CREATE RULE away AS ON INSERT TO orders DO INSTEAD NOTHING"),
        MISMATCH,
        forms=LOADED,
        but={RUN: f"{MATCH}|{MISMATCH}|UNKNOWN 6|{ERROR_6}"},
        why_but="COPY heeds no rule",
    ),
    Entry(
        "rule-beside-update",
        "a rule deletes a row of the ledger whenever the table is updated",
        postgresql(
            "CREATE RULE beside AS ON UPDATE TO orders DO ALSO DELETE FROM notes",
            "UPDATE orders SET name = name WHERE id = 7",
        ),
        MISMATCH,
    ),
    Entry(
        "view-in-the-ledgers-place",
        "a view that shows what somebody wants takes the place of a table of the ledger",
        postgresql(
            "ALTER TABLE messy_migration.receipt_table RENAME TO kept",
            "CREATE VIEW messy_migration.receipt_table AS SELECT batch_id, table_name, scope,"
            " format_id, inserted, updated, unchanged, net_rows - 1 AS net_rows, net_lanes,"
            " amounts, losses, file_node, keyed_lanes FROM messy_migration.kept",
        ),
        MISMATCH,
        forms=(LEDGER, QUICK, RUN),
        but={QUICK: "REFUSED"},
        why_but="it does not begin on a ledger that is not what runs have written",
    ),
]
