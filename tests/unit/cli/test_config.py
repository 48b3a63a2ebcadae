from __future__ import annotations

import json

import pytest

from messy_migration.cli.main import run
from messy_migration.redaction import MASK

CANARY = "canary-7f3a"
TOML = """
[profiles.default]
workers = 3
target_password = "env://WAREHOUSE_PASSWORD"
[profiles.night]
workers = 4
[alpha.streams.sales]
path = "sales/*.csv"
web_token = "canary-7f3a"
"""


@pytest.fixture
def shop(plugin_site, tmp_path, monkeypatch):
    """A working directory with a profile and the section of an installed plugin."""
    monkeypatch.chdir(tmp_path)
    plugin_site("alpha", "@hookimpl\ndef streams(settings): ...\n")
    (tmp_path / "migrate.toml").write_text(TOML)
    monkeypatch.setenv("MIGRATE_TARGET", f"postgresql://bob:{CANARY}@db.example.org/x")
    monkeypatch.setenv("ALPHA__STREAMS__SALES__NOTE", CANARY)
    monkeypatch.setenv("ALPHA__SESSION_TOKEN", CANARY)
    return tmp_path


def shown(capsys, *options):
    assert run(["config", "show", "--json", *options]) == 0
    out, err = capsys.readouterr()
    assert CANARY not in out + err
    found = json.loads(out)
    return found, {row["key"]: (row["value"], row["origin"]) for row in found["settings"]}


def test_every_setting_has_its_value_and_its_origin_e10(shop, capsys):
    found, rows = shown(capsys, "--log-level", "error")
    assert found["schema"] == 1
    assert found["profile"] == "default"
    assert found["config"] == str(shop / "migrate.toml")
    assert rows["workers"] == (3, "migrate.toml [profiles.default]")
    assert rows["batch_records"] == (50_000, "default")
    assert rows["log_level"] == ("error", "flag --log-level")
    assert rows["target_password"][0] == "env://WAREHOUSE_PASSWORD"
    assert rows["alpha.streams.sales.path"] == ("sales/*.csv", "migrate.toml [alpha]")


def test_secrets_are_masked_wherever_they_come_from(shop, capsys):
    _, rows = shown(capsys)
    assert rows["target"] == (
        f"postgresql://{MASK}@db.example.org/x",
        "environment MIGRATE_TARGET",
    )
    assert rows["alpha.streams.sales.web_token"] == (MASK, "migrate.toml [alpha]")
    assert rows["alpha.streams.sales.note"] == (MASK, "environment ALPHA__STREAMS__SALES__NOTE")
    assert rows["alpha.session_token"][0] == MASK


def test_the_same_for_people(shop, capsys):
    assert run(["config", "show", "-p", "night"]) == 0
    out, err = capsys.readouterr()
    assert CANARY not in out + err
    assert "profile night" in err
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["setting", "value", "origin"]
    assert ["workers", "4", "migrate.toml", "[profiles.night]"] in lines


@pytest.mark.parametrize(
    "options, words",
    [
        pytest.param(["-c", "nosuch.toml"], "no such file", id="C17-missing"),
        pytest.param(["-c", "."], "is a directory", id="C17-directory"),
        pytest.param(["-p", "nigth"], "did you mean 'night'", id="E05-profile"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_3(shop, capsys, options, words):
    assert run(["config", "show", "--json", *options]) == 3
    out, err = capsys.readouterr()
    assert err.startswith("error: ")
    assert words in err
    assert len(err.splitlines()) == 1
    assert json.loads(out)["error"]["exit_code"] == 3


def test_a_section_of_no_plugin_is_refused_e05(shop, capsys):
    (shop / "migrate.toml").write_text("[alpah]\nx = 1\n")
    assert run(["config", "show"]) == 3
    assert "[alpah] names no installed plugin (did you mean 'alpha'?)" in capsys.readouterr().err


def test_unwise_settings_are_logged_as_warnings_e09(shop, capsys):
    (shop / ".env").write_text("A=1\n")
    (shop / ".env").chmod(0o644)
    assert run(["config", "show", "--log-format", "json", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert any("chmod 600" in line["event"] and line["level"] == "warning" for line in lines)
