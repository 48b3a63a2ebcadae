"""No command shows a canary secret, wherever a user has written it as a setting."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from sqlalchemy import make_url

CANARY = "kingfisher/9+Qv7=xwTz"
SOURCE = """
import logging, os, pathlib, warnings
import pyarrow as pa
from pydantic import SecretStr
from pydantic_settings import BaseSettings
from messy_migration.errors import SourceError
from messy_migration.model import (
    Column, ColumnType, Frame, Rejected, Stream, Table, Violation
)

class Settings(BaseSettings):
    pin: SecretStr
    others: list[SecretStr] = []

@hookimpl
def settings_model(): return Settings

@hookimpl
def streams():
    column = Column("id", ColumnType.parse("int64"))
    return [Stream("leaky.rows", (Table("rows", (column,), ("id",)),))]

@hookimpl
def extract(settings):
    secret = settings.pin.get_secret_value()
    logging.getLogger("leaky").warning("asks with %s", secret)
    warnings.warn(f"asks with {secret}")
    for pid in ("self", os.getppid()):
        for name in ("cmdline", "environ"):
            with open(f"{pid}.{name}.seen", "ab") as file:
                file.write(pathlib.Path(f"/proc/{pid}/{name}").read_bytes())
    if "BREAK" in os.environ:
        raise {"other": ValueError, "ours": SourceError}[os.environ["BREAK"]](f"no {secret}")
    yield Frame(pa.table({"id": [1, 2, 3]}))
    yield Rejected(b"raw", f"place {secret}", f"reason {secret}", "leaky.no")

@hookimpl
def validate(batch, table, settings):
    secret = settings.pin.get_secret_value()
    first = batch.table["_record"].to_pylist()[:1]
    return [Violation(n, table, "id", "leaky.odd", f"odd {secret}") for n in first]
"""

VAULT = """
from pydantic import SecretStr
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    key: SecretStr = SecretStr("")

@hookimpl
def settings_model(): return Settings

@hookimpl
def resolve_secret(reference, settings):
    return %r if reference.startswith("op://") else None
"""

PLACES = {
    "a file": ('[leaky]\npin = "file://pin.txt"', {}, ""),
    "a variable": ("", {"LEAKY__PIN": CANARY}, ""),
    "dotenv": ("", {}, f"LEAKY__PIN='{CANARY}'"),
    "a reference to a variable": ('[leaky]\npin = "env://SOMETHING"', {"SOMETHING": CANARY}, ""),
    "a reference to dotenv": ('[leaky]\npin = "env://SOMETHING"', {}, f"SOMETHING='{CANARY}'"),
    "a store": ('[leaky]\npin = "op://kv/pin"', {}, ""),
}
COMMANDS = [
    ("run", "--json"),
    ("run", "--debug"),
    ("run", "--log-format", "json", "--log-level", "debug"),
    ("reconcile", "--json", "--debug"),
    ("reconcile", "--against", "source", "--report"),
    ("status", "--json"),
    ("report",),
    ("plan", "--json"),
    ("config", "show"),
    ("config", "show", "--json"),
    ("plugins", "info", "leaky"),
]


def forms(secret):
    yield secret.encode()
    yield from (quote(secret, safe=safe).encode() for safe in ("", "+", "/"))
    yield base64.b64encode(secret.encode())
    yield secret.encode().hex().encode()


def traces(project, results, *, given):
    """Where the canary, or a form of it, was seen beside the places it was written to."""
    seen = {f"{name} {place}": text for name, out in results for place, text in out.items()}
    for path in project.folder.rglob("*"):
        if path.is_file() and path.name not in given and "site" not in path.parts:
            seen[str(path.relative_to(project.folder))] = path.read_bytes()
    return sorted(name for name, text in seen.items() if any(it in text for it in forms(CANARY)))


def ended(project, commands, **variables):
    results = []
    for command in commands:
        done = project.migrate_apart(*command, **variables)
        texts = {"stdout": done.out.encode(), "stderr": done.err.encode()}
        results.append((f"{' '.join(command)} ({done.code})", texts))
    return results


@pytest.fixture
def leaky(project):
    project.install("leaky", SOURCE)
    project.install("vault", VAULT % CANARY)
    return project


@pytest.mark.parametrize("place", PLACES)
def test_a_canary_is_seen_nowhere(leaky, place):
    sections, variables, dotenv = PLACES[place]
    leaky.write("pin.txt", CANARY)
    leaky.configure("quarantine_limit = 100", sections)
    leaky.write(".env", dotenv).chmod(0o600)
    results = []
    for broken in ("ours", "other"):
        results += ended(leaky, COMMANDS[:3], **variables, BREAK=broken)
    results += ended(leaky, COMMANDS, **variables)
    leaky.execute("UPDATE rows SET id = 9 WHERE id = 2")
    results += ended(leaky, [("reconcile",), ("reconcile", "--json"), ("run",)], **variables)
    codes = {name.rpartition(" ")[2] for name, _ in results}
    assert {"(0)", "(4)", "(5)", "(8)"} <= codes, results
    assert any(b"asks with" in it["stderr"] for _, it in results)
    reasons = set(leaky.query(f"SELECT place, reason FROM {leaky.ledger('quarantine')}"))
    assert ("place ***", "reason ***") in reasons
    assert {reason for _, reason in reasons} == {"id: odd ***", "reason ***"}
    # A process has the variables that it was started with; so have its children.
    given = {"pin.txt", ".env"}
    if variables:
        given |= {path.name for path in leaky.folder.glob("*.environ.seen")}
    assert list(leaky.folder.glob("*.cmdline.seen"))
    assert traces(leaky, results, given=given) == []


@pytest.mark.parametrize(
    "section",
    [
        f'[leaky]\npin = "{CANARY}"',
        f'[leaky]\npin = "env://SOMETHING"\nothers = ["{CANARY}"]',
        f'[leaky]\npin = "env://SOMETHING"\n[vault]\nkey = "{CANARY}"',
    ],
)
def test_a_declared_secret_in_plain_is_refused_and_not_shown(leaky, section):
    leaky.configure("", section)
    results = ended(leaky, [("run",), ("plan", "--json", "--debug")], SOMETHING="x")
    assert [name[-3:] for name, _ in results] == ["(3)", "(3)"]
    assert b"must be a reference" in results[0][1]["stderr"]
    results += ended(leaky, [("config", "show"), ("config", "show", "--json")])
    assert traces(leaky, results, given={"migrate.toml"}) == []


def test_a_text_that_only_sounds_secret_is_known_to_the_redactor(leaky):
    source = SOURCE.replace("pin: SecretStr", "token: str").replace(
        "settings.pin.get_secret_value()", "settings.token"
    )
    leaky.install("leaky", source)
    leaky.configure("quarantine_limit = 100", f'[leaky]\ntoken = "{CANARY}"')
    results = []
    for broken in ("ours", "other"):
        results += ended(leaky, COMMANDS[:3], BREAK=broken)
    results += ended(leaky, COMMANDS)
    assert traces(leaky, results, given={"migrate.toml"}) == []


@pytest.mark.parametrize("place", ["a variable", "dotenv", "apart", "a reference", "a flag"])
def test_a_canary_in_the_password_of_the_target_is_seen_nowhere(leaky, postgres_url, place):
    leaky.target = postgres_url
    leaky.configure("quarantine_limit = 100", '[leaky]\npin = "env://PIN"')
    (leaky.folder / "migrate.toml").write_text(
        (leaky.folder / "migrate.toml").read_text().replace(f'target = "{postgres_url}"\n', "")
    )
    with leaky.connect() as connection:
        connection.execute("DROP ROLE IF EXISTS mm_canary")
        connection.execute(f"CREATE ROLE mm_canary SUPERUSER LOGIN PASSWORD '{CANARY}'")
    role = make_url(postgres_url).set(username="mm_canary", password=CANARY)
    whole = role.render_as_string(hide_password=False)
    apart = role._replace(password=None).render_as_string(hide_password=False)
    flags, dotenv, variables = (), "", {"PIN": "another-one"}
    if place == "dotenv":
        dotenv = f"MIGRATE_TARGET='{whole}'"
    elif place == "apart":
        dotenv = f"MIGRATE_TARGET='{apart}'\nMIGRATE_TARGET_PASSWORD='{CANARY}'"
    elif place == "a reference":
        dotenv = f"MIGRATE_TARGET='env://WHERE'\nWHERE='{whole}'"
    elif place == "a variable":
        variables["MIGRATE_TARGET"] = whole
    else:
        flags = ("--target", whole)
    leaky.write(".env", dotenv).chmod(0o600)
    results = ended(leaky, [(*it, *flags) for it in COMMANDS[:6]], **variables)
    results = [(name.replace(whole, "URL"), texts) for name, texts in results]
    assert results[0][0].endswith("(0)"), results[0]
    # What was typed in an argument can be read in the list of processes, which is told.
    kinds = {"a variable": ("environ",), "a flag": ("cmdline",)}.get(place, ())
    given = {".env"} | {it.name for kind in kinds for it in leaky.folder.glob(f"*.{kind}.seen")}
    assert traces(leaky, results, given=given) == []
    with leaky.connect() as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = 'messy_migration'"
        ).fetchall()
        for (name,) in tables:
            rows = connection.execute(f"SELECT * FROM messy_migration.{name}").fetchall()
            assert not any(it in repr(rows).encode() for it in forms(CANARY)), name
