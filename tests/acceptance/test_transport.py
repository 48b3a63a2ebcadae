"""The whole command refuses an open way to a target, to a source and to what it compares."""

from __future__ import annotations

import pytest

from messy_migration import api
from messy_migration.api import Budget, CompareOptions, ReconcileOptions, Request
from messy_migration.errors import ConfigurationError

FAR = "postgresql://me@203.0.113.9/shop"


def request_of(folder, profile="", more=""):
    (folder / "migrate.toml").write_text(
        f'[profiles.default]\nplugins = ["sql"]\n{profile}\n[sql]\n{more}\n'
    )
    return Request(config=folder / "migrate.toml")


@pytest.mark.parametrize(
    "act", [api.run, api.plan, lambda one: api.reconcile(one, options=ReconcileOptions())]
)
def test_g21_a_target_behind_an_open_way_is_refused_before_anything(tmp_path, act):
    request = request_of(tmp_path, f'target = "{FAR}"', 'url = "sqlite:///source.db"')
    with pytest.raises(ConfigurationError, match="open to others") as caught:
        act(request)
    assert "203.0.113.9 is not this machine" in caught.value.why


def test_g21_a_source_behind_an_open_way_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    request = request_of(tmp_path, 'target = "sqlite:///t.db"', f'url = "{FAR}"')
    with pytest.raises(ConfigurationError, match="open to others") as caught:
        api.plan(request)
    assert "sql" in caught.value.where


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_g21_databases_that_are_compared_are_refused_too(tmp_path, kind):
    far = FAR.replace("postgresql", kind)
    with pytest.raises(ConfigurationError, match="open to others"):
        api.compare(request_of(tmp_path), far, far, CompareOptions(), Budget())
