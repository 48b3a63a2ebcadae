"""Rules, observers and secret stores have settings of their own."""

from __future__ import annotations

import pytest

SOURCE = """
@hookimpl
def streams(): return [Stream("src.s", (table("s"),))]

@hookimpl
def extract():
    yield Frame(pa.table({"id": [1, 2, 3], "name": ["a", "bb", "ccc"]}))
"""

RULE = """
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    longest: int
    token: str = ""

@hookimpl
def settings_model(): return Settings

@hookimpl
def validate(table, batch, settings):
    return [
        Violation(record, table, "name", "rule.long", "error", "too long")
        for record, name in zip(batch.table["_record"].to_pylist(), batch.table["name"].to_pylist())
        if len(name) > settings.longest
    ]
"""

OBSERVER = """
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    seen: str

@hookimpl
def settings_model(): return Settings

@hookimpl
def notify(event, settings):
    with open(settings.seen, "a") as file:
        file.write(event.name + chr(10))
"""

VAULT = """
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    token: str

@hookimpl
def settings_model(): return Settings

@hookimpl
def resolve_secret(reference, settings):
    if reference.startswith("op://"):
        return f"{settings.token} opens {reference.removeprefix('op://')}"
"""

SECRET_SOURCE = (
    SOURCE.replace("def extract():", "def extract(settings):").replace(
        '["a", "bb", "ccc"]', "[settings.password] * 3"
    )
    + """
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    password: str

@hookimpl
def settings_model(): return Settings
"""
)


def plans(project):
    return {plan for (plan,) in project.query(f"SELECT plan_id FROM {project.ledger('partition')}")}


def test_a_rule_has_settings_and_another_threshold_is_another_plan(project):
    project.install("src", SOURCE)
    project.install("rule", RULE)

    def run(longest, token):
        project.configure(sections=f'[rule]\nlongest = {longest}\ntoken = "{token}"')
        return project.migrate("run", "--json")

    assert run(9, "one").matched().counts("src.s") == (3, 3, 0, 0)
    first = plans(project)
    assert len(first) == 1
    assert run(9, "rotated").code == 0
    assert plans(project) == first
    run(2, "rotated")
    assert len(plans(project)) == 2


def test_a_reconciliation_locates_with_an_observer_that_came_after_the_load(project, tmp_path):
    project.install("src", SOURCE)
    project.configure()
    project.migrate("run", "--json").matched()
    project.install("watch", OBSERVER)
    project.configure(sections=f'[watch]\nseen = "{tmp_path / "seen"}"')
    project.execute("UPDATE s SET name = 'zz' WHERE id = 2")
    result = project.migrate("reconcile", "--json")
    assert result.code == 8
    (row,) = result.json["differences"]
    assert (row["key"], row["columns"]) == ({"id": "2"}, ["name"])
    assert project.migrate("run", "--json", "--accept-foreign", "known").code == 0
    assert "run.succeeded" in (tmp_path / "seen").read_text()


def test_a_secret_store_has_settings_of_its_own_and_any_scheme(project):
    project.install("src", SECRET_SOURCE)
    project.install("vault", VAULT)
    project.configure(sections='[src]\npassword = "op://kv/src"\n[vault]\ntoken = "env://OF_VAULT"')
    result = project.migrate("run", "--json", OF_VAULT="key-4711").matched()
    assert project.query("SELECT DISTINCT name FROM s") == [("key-4711 opens kv/src",)]
    assert "4711" not in result.out + result.err


def test_a_scheme_that_nobody_knows_is_exit_3(project):
    project.install("src", SECRET_SOURCE)
    project.configure(sections='[src]\npassword = "op://kv/src"')
    result = project.migrate("run")
    assert result.code == 3
    assert "op://kv/src" in result.err
    assert "no selected plugin knows this one" in result.err


def test_two_plugins_that_claim_one_scheme_are_exit_3(project):
    project.install("src", SECRET_SOURCE)
    for name in ("vault", "other"):
        project.install(name, VAULT)
    project.configure(
        sections='[src]\npassword = "op://kv/src"\n[vault]\ntoken = "a"\n[other]\ntoken = "b"'
    )
    result = project.migrate("run")
    assert result.code == 3
    assert "the plugins vault and other all claim its scheme" in result.err


@pytest.mark.parametrize("hook", ["sandbox(seed, settings)", "settings_model(settings)"])
def test_a_hook_that_asks_for_what_does_not_exist_is_exit_4(project, hook):
    project.install("src", SOURCE + f"\n@hookimpl\ndef {hook}: return None\n")
    project.configure()
    result = project.migrate("run")
    assert result.code == 4
    assert "asks for 'settings'" in result.err
