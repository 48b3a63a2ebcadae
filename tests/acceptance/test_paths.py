"""G41: paths mean what they meant when the command began, and who only reads creates nothing."""

from __future__ import annotations

import shutil

import pytest

from .authored import STREAM, Authored

MOVES = 'import os\nos.makedirs(os.environ["ELSEWHERE"], exist_ok=True)\n'
LEAVE = 'os.chdir(os.environ["ELSEWHERE"])'


@pytest.fixture
def authored(tmp_path):
    return Authored.make(tmp_path)


def names(folder):
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts  # an import writes them beside the plugin
    )


PLACES = {
    "import": STREAM + LEAVE,
    "settings_model": STREAM + f"@hookimpl\ndef settings_model():\n    {LEAVE}\n",
    "streams": STREAM.replace("def streams():", f"def streams():\n    {LEAVE}"),
    "extract": STREAM.replace("def extract():", f"def extract():\n    {LEAVE}"),
}


@pytest.mark.parametrize("place", PLACES)
def test_g41_a_hook_that_changes_the_working_folder_moves_no_path(authored, tmp_path, place):
    authored.install("mover", MOVES + PLACES[place])
    elsewhere = tmp_path / "elsewhere"
    variables = {"ELSEWHERE": str(elsewhere), "MIGRATE_REPORT": "reports"}
    words = ("--plugins", "mover", "--target", "sqlite:///m.db")
    for _ in range(2):
        done = authored.migrate("run", "--json", *words, "--workers", "2", **variables)
        assert done.code == 0, done.err
        assert done.json["verdict"] == "MATCH"
    assert names(elsewhere) == []
    assert (authored.folder / "m.db").exists()
    assert (authored.folder / ".migrate/anchors").exists()
    assert done.json["report"].startswith(str(authored.folder / "reports"))


def test_g41_a_relative_configuration_file_stays_where_it_was(authored, tmp_path):
    authored.install("mover", MOVES + PLACES["streams"])
    (authored.folder / "conf").mkdir()
    (authored.folder / "conf/c.toml").write_text(
        '[profiles.default]\ntarget = "sqlite:///m.db"\nplugins = ["mover"]\nreport = "out"\n'
    )
    elsewhere = tmp_path / "elsewhere"
    done = authored.migrate("run", "--json", "-c", "conf/c.toml", ELSEWHERE=str(elsewhere))
    assert done.code == 0, done.err
    assert names(elsewhere) == []
    assert (authored.folder / "conf/m.db").exists()
    assert done.json["report"].startswith(str(authored.folder / "conf/out"))


@pytest.mark.parametrize("command", ["status", "reconcile", "plan"])
@pytest.mark.parametrize("is_there", [True, False])
def test_g41_a_command_that_reads_creates_nothing(authored, tmp_path, command, is_there):
    authored.install("plain", STREAM)
    target = f"sqlite:///{tmp_path}/{'there' if is_there else 'nowhere'}/m.db"
    (tmp_path / "there").mkdir()
    words = ("--plugins", "plain", "--target", target)
    if is_there:
        assert authored.migrate("run", *words).code == 0
    shutil.rmtree(authored.folder)
    authored.folder.mkdir()
    before = names(tmp_path)
    words = words[2:] if command == "status" else words
    done = authored.migrate(command, *words)
    assert done.code == (0 if is_there or command == "plan" else 2), done.err
    assert names(authored.folder) == []
    assert names(tmp_path) == before


def test_g41_reconcile_keeps_the_anchor_where_a_profile_is(authored, tmp_path):
    authored.install("plain", STREAM)
    target = f"sqlite:///{tmp_path}/m.db"
    assert authored.migrate("run", "--plugins", "plain", "--target", target).code == 0
    shutil.rmtree(authored.folder)
    authored.folder.mkdir()
    (authored.folder / "migrate.toml").write_text(
        f'[profiles.default]\ntarget = "{target}"\nplugins = ["plain"]\n'
    )
    assert authored.migrate("reconcile").code == 0
    assert (authored.folder / ".migrate/anchors").exists()
