"""Row-level security and rights: a proof sees every row, or says that it does not."""

from __future__ import annotations

from ..entries import (
    ERROR_6,
    LEDGER,
    MATCH,
    QUICK,
    RUN,
    UNKNOWN,
    Entry,
    postgresql,
)

ON = "ALTER TABLE orders ENABLE ROW LEVEL SECURITY"
EXTRA = (
    "INSERT INTO orders SELECT 6666, name, total, currency, changed, weight, born, token, paid,"
    " doc, raw FROM orders WHERE id = 9"
)
SAYS = "row-level security"

ENTRIES = [
    Entry(
        "policy-hides-half",
        "a policy hides 500 of 1,000 rows from the role that proves",
        postgresql(ON, "CREATE POLICY half ON orders USING (id <= 500)"),
        UNKNOWN,
        says=SAYS,
        as_guest=True,
        is_sampled=True,
    ),
    Entry(
        "policy-hides-an-extra-row",
        "somebody adds a row, and a policy that shows the role only the others",
        postgresql(ON, "CREATE POLICY old ON orders USING (id <= 1000)", EXTRA),
        UNKNOWN,
        says=SAYS,
        as_guest=True,
        but={RUN: "UNKNOWN 6"},
        why_but="the rows that it brings are refused by the policy, and the proof says UNKNOWN",
    ),
    Entry(
        "policy-hides-all",
        "row-level security is switched on with no policy at all",
        postgresql(ON),
        UNKNOWN,
        says=SAYS,
        as_guest=True,
    ),
    Entry(
        "policy-for-another-role",
        "the only policy there is lets another role see the rows",
        postgresql(ON, "CREATE POLICY others ON orders TO pg_monitor USING (true)"),
        UNKNOWN,
        says=SAYS,
        as_guest=True,
    ),
    Entry(
        "policy-restrictive",
        "a restrictive policy takes away what a permissive one gives",
        postgresql(
            ON,
            "CREATE POLICY whole ON orders USING (true)",
            "CREATE POLICY less ON orders AS RESTRICTIVE USING (id <> 7)",
        ),
        UNKNOWN,
        says=SAYS,
        as_guest=True,
    ),
    Entry(
        "policy-on-the-keyless-table",
        "a policy hides rows of one table only, the one without a key",
        postgresql(
            "ALTER TABLE notes ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY few ON notes USING (order_id < 5)",
        ),
        UNKNOWN,
        says=SAYS,
        as_guest=True,
    ),
    Entry(
        "policy-does-not-bind-the-owner",
        "a policy hides rows from others, and the proof logs in as a superuser",
        postgresql(
            ON,
            "ALTER TABLE orders FORCE ROW LEVEL SECURITY",
            "CREATE POLICY half ON orders USING (id <= 500)",
        ),
        MATCH,
    ),
    Entry(
        "policy-hides-receipts",
        "a policy hides the newest receipt from the role that proves",
        postgresql(
            "ALTER TABLE $ledger.receipt ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY old ON $ledger.receipt USING (seq < 2)",
        ),
        ERROR_6,
        but={RUN: "REFUSED"},
        why_but="a run writes under the policy, and finds that receipts are missing",
        forms=(LEDGER, "landed", "source", QUICK, RUN),
        as_guest=True,
    ),
    Entry(
        "right-to-read-taken",
        "the role that proves may no longer read the table",
        postgresql("REVOKE SELECT ON orders FROM $guest"),
        UNKNOWN,
        says="permission denied",
        as_guest=True,
    ),
    Entry(
        "right-to-one-column-taken",
        "the role that proves may read every column but one",
        postgresql(
            "REVOKE SELECT ON orders FROM $guest",
            "GRANT SELECT (id, name, currency, changed, weight, born, token, paid, doc, raw)"
            " ON orders TO $guest",
        ),
        UNKNOWN,
        says="permission denied",
        as_guest=True,
    ),
]
