"""Values of rows and secrets stay where they belong: in no output, log or evidence."""

from __future__ import annotations

CANARY = "canary.person@example.org"
SECRET = "Canary-Pw-7781"
KEYED = 'id = { type = "text" }\nname = { type = "text" }'
ROWS = 12


def csv(changes):
    rows = {number: f"name{number}" for number in range(1, ROWS + 1)} | changes
    return "id,name\n" + "".join(f"{number},{name}\n" for number, name in rows.items())


def test_no_row_value_and_no_secret_is_in_any_output(anywhere):
    anywhere.stream("shop", csv({3: CANARY, 4: CANARY, 6: f"{CANARY},x"}))
    anywhere.stream("typed", f"id,name\n1,a\n{CANARY},b\n")
    anywhere.stream("key", f"id,name\n{CANARY},a\n{CANARY},b\n", columns=KEYED)
    integer = "integer" if anywhere.target.startswith("sqlite") else "bigint"
    anywhere.execute(
        f"CREATE TABLE shop (id {integer} PRIMARY KEY, name text UNIQUE,"
        " CHECK (name NOT LIKE '%@%' OR id = 3))"
    )
    if anywhere.target.startswith("sqlite"):
        anywhere.write(".env", f"FILES__STREAMS__SHOP__SCHEMA=shop.toml\nUNUSED_TOKEN={SECRET}\n")
    outputs = []
    for argv in (["run"], ["run", "--json"], ["run", "--debug"], ["reconcile"], ["status"]):
        result = anywhere.migrate(*argv, "--log-level", "debug")
        outputs += [result.out, result.err]
    outputs += [file.read_text() for file in anywhere.folder.glob("migration-*.json")]
    for output in outputs:
        assert CANARY not in output
        assert "canary.person" not in output
        assert SECRET not in output
