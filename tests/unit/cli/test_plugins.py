from __future__ import annotations

import json

import pytest

from messy_migration.cli import render
from messy_migration.cli.main import run

SOURCE = "@hookimpl\ndef streams(settings):\n    return []\n"


@pytest.fixture
def site(plugin_site, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plugin_site("alpha", SOURCE)
    plugin_site("bad", "import sys; print('noise'); sys.exit(0)\n", version="2.1")


def test_the_list_shows_broken_plugins_too_l04(site, capsys):
    assert run(["plugins", "list"]) == 0
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["plugin", "version", "distribution", "status"]
    assert ["alpha", "1.0", "mm-test-alpha", "ok"] in lines
    assert ["bad", "2.1", "mm-test-bad", "broken"] in lines
    assert "bad: it ends the process when it is imported" in err
    assert "noise" not in out


def test_the_list_as_json(site, capsys):
    assert run(["plugins", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == 1
    rows = {row["name"]: row for row in found["plugins"]}
    assert rows["alpha"] == {
        "name": "alpha",
        "distribution": "mm-test-alpha",
        "version": "1.0",
        "status": "ok",
        "problem": "",
        "hooks": ["streams"],
    }
    assert rows["bad"]["status"] == "broken"


def test_the_list_needs_no_sound_configuration(site, tmp_path):
    (tmp_path / "migrate.toml").write_text("= broken")
    assert run(["plugins", "list"]) == 0


def test_info_of_one_plugin(site, capsys):
    assert run(["plugins", "info", "alpha"]) == 0
    assert ["hooks", "streams"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    assert run(["plugins", "info", "bad", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["plugin"]["status"] == "broken"


@pytest.mark.parametrize("name", [pytest.param("Alpha", id="C05"), pytest.param("alhpa", id="C06")])
def test_info_of_a_plugin_that_is_not_there(site, capsys, name):
    assert run(["plugins", "info", name]) == 4
    assert "(did you mean 'alpha'?): installed are: " in capsys.readouterr().err


def test_a_table_is_aligned_and_numbers_are_grouped():
    text = render.table(
        ("stream", "rows", "note"),
        [("a", 12014, None), ("日本", -1, "x\ny"), ("c", 0.5, True)],
        "lr",
    )
    assert text.splitlines() == [
        "stream    rows  note",
        "a       12,014",
        "日本        -1  x\\ny",
        "c          0.5  yes",
    ]


def test_a_table_without_rows_is_its_head():
    assert render.table(("a", "b"), []) == "a  b"
