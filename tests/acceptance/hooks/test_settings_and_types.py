"""Settings and secrets of plugins, observers, and every type through the whole pipeline."""

from __future__ import annotations

import hashlib
import math

import pytest

from messy_migration.testing.nasty_rows import nasty

SECRET = "Canary-Secret-4711"

CONFIGURED = """
import hashlib
from pydantic import SecretStr
from pydantic_settings import BaseSettings
from messy_migration.errors import SourceError

class Settings(BaseSettings):
    model_config = {"extra": "forbid"}
    token: str
    size: int = 1

@hookimpl
def settings_model(): return Settings

@hookimpl
def streams(settings): return [Stream("src.s", (table("s"),)), Stream("src.t", (table("t"),))]

@hookimpl
def extract(stream, settings):
    if stream.name == "src.t":
        raise SourceError(f"token {settings.token} was refused", "src", "so " + settings.token)
    digest = hashlib.sha256(settings.token.encode()).hexdigest()
    yield Frame(pa.table({"id": [settings.size], "name": [digest]}))

@hookimpl
def notify(event):
    import logging
    logging.getLogger("src").warning("seen %s", os.environ["MM_TEST_SECRET"])
"""


@pytest.mark.parametrize("reference", ["env://MM_TEST_SECRET", "vault://kv/src#token"])
def test_a_secret_reaches_the_worker_and_no_output(project, reference):
    project.install("src", CONFIGURED)
    project.install(
        "safe",
        """
        @hookimpl
        def resolve_secret(reference):
            if reference == "vault://kv/src#token":
                return os.environ["MM_TEST_SECRET"]
        """,
    )
    project.configure(sections=f'[src]\ntoken = "{reference}"\nsize = 7')
    result = project.migrate("run", "--json", "--log-level", "debug", MM_TEST_SECRET=SECRET)
    assert result.code == 5, result.err
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    assert project.query("SELECT id, name FROM s") == [(7, digest)]
    assert "token *** was refused" in result.errors[0]
    assert "seen ***" in result.err
    shown = project.migrate("config", "show", MM_TEST_SECRET=SECRET)
    evidence = [file.read_text() for file in project.folder.glob("migration-*.json")]
    assert len(evidence) == 1
    for text in (result.out, result.err, shown.out, shown.err, *evidence):
        assert SECRET not in text


@pytest.mark.parametrize(
    "section, code, words",
    [
        ('token = "env://MM_TEST_NOT_SET"', 3, "MM_TEST_NOT_SET is not set"),
        ('token = "aws-sm://name#key"', 3, "no selected plugin knows this one"),
        ('token = "x"\ntokn = "y"', 3, "tokn is not a known key"),
        ("", 3, "SRC__TOKEN"),
        ('token = "x"\nsize = "CANARY"', 3, "src.size must be a whole number"),
    ],
)
def test_settings_that_a_plugin_cannot_take_are_exit_3(project, section, code, words):
    project.install("src", CONFIGURED)
    project.configure(sections=f"[src]\n{section}")
    result = project.migrate("run")
    assert result.code == code
    assert len(result.errors) == 1
    assert words in result.errors[0]
    assert "CANARY" not in result.out + result.err
    assert not (project.folder / "m.db").exists()


def test_a_plugin_whose_secret_store_fails_is_exit_4(project):
    project.install("src", CONFIGURED)
    project.install(
        "safe",
        """
        @hookimpl
        def resolve_secret(reference): raise ValueError("CANARY")
        """,
    )
    project.configure(sections='[src]\ntoken = "vault://kv/src#token"')
    result = project.migrate("run")
    assert result.code == 4
    assert "'safe' failed in its hook 'resolve_secret'" in result.errors[0]
    assert "CANARY" not in result.out + result.err


def test_an_observer_that_fails_changes_nothing_and_the_next_one_is_told(project):
    project.install(
        "src",
        """
        @hookimpl
        def streams(): return [Stream("src.s", (table("s"),))]
        @hookimpl
        def extract(): yield frame()
        @hookimpl
        def notify(event): raise SystemExit(3)
        """,
    )
    project.install(
        "watch",
        """
        @hookimpl
        def notify(event):
            with open("events", "a") as file:
                facts = event.facts()
                print(event.name, facts.get("verdict"), facts.get("exit_code"), file=file)
        """,
    )
    result = project.migrate("run", "--json")
    assert result.code == 0, result.err
    assert result.json["verdict"] == "MATCH"
    assert "observer src failed" in result.err
    assert "run.succeeded MATCH 0" in (project.folder / "events").read_text()


JSON = """
@hookimpl
def streams():
    return [Stream("src.j", (table("j", Column("doc", ColumnType("json"))),))]

@hookimpl
def extract():
    docs = ['{"b" : 1, "a":[1.50, 2]}', '{"a":1,"a":2}', "null", None, '{"a"', '"\\\\u0000"']
    yield frame(doc=pa.array(docs, pa.string()))
"""


def test_json_is_stored_in_canonical_form_and_proven(anywhere):
    anywhere.install("src", JSON)
    result = anywhere.migrate("run", "--json")
    assert result.code == 0, result.err
    assert result.json["verdict"] == "MATCH"
    assert result.counts("src.j") == (6, 3, 3, 0)
    found = anywhere.query("SELECT id, CAST(doc AS text) FROM j ORDER BY id")
    assert found == [(1, '{"a": [1.50, 2], "b": 1}'), (3, "null"), (4, None)]
    assert [entry[:3] for entry in anywhere.quarantine("src.j")] == [
        ("page:2", "core.json", "doc"),
        ("page:5", "core.json", "doc"),
        ("page:6", "core.json", "doc"),
    ]


NASTY_ROWS = 800
NASTY = f"""
from messy_migration.testing.nasty_rows import nasty

@hookimpl
def streams():
    wide, _ = nasty(1, 1)
    return [Stream("src.nasty", (wide,))]

@hookimpl
def partitions():
    return [Partition(str(n), f"n{{n}}", {{"n": n}}) for n in range(2)]

@hookimpl
def extract(partition):
    _, data = nasty({NASTY_ROWS}, 1)
    half = {NASTY_ROWS // 2}
    part = data.slice(half * partition.bounds["n"], half)
    for start in range(0, half, 100):
        yield Frame(part.slice(start, 100), lambda i: Origin(b"raw", "nasty:1"))
"""


def test_every_type_ends_in_match_and_only_what_the_target_cannot_hold_is_left_out(anywhere):
    anywhere.install("src", NASTY)
    anywhere.configure("quarantine_limit = 100\nbatch_records = 300")
    result = anywhere.migrate("run", "--json", "--workers", "2")
    assert result.code == 0, result.err
    assert result.json["verdict"] == "MATCH"
    _, data = nasty(NASTY_ROWS, 1)
    ratios = data.column("ratio").to_pylist()
    nans = sum(ratio is not None and math.isnan(ratio) for ratio in ratios)
    assert nans > 0
    left_out = nans if anywhere.target.startswith("sqlite") else 0
    assert result.counts("src.nasty") == (NASTY_ROWS, NASTY_ROWS - left_out, left_out, 0)
    rules = {(rule, column) for _, rule, column, _ in anywhere.quarantine("src.nasty")}
    assert rules == ({("core.unstorable", "ratio")} if left_out else set())
    again = anywhere.migrate("reconcile", "--json")
    assert again.code == 0
