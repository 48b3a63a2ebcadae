"""G23: files of ours are their owner's alone, whatever the umask; a readable .env is told of."""

from __future__ import annotations

import stat

import pytest

from .authored import STREAM, Authored

LANDS = STREAM.replace("(TABLE,))]", "(TABLE,), lands=True)]")


@pytest.fixture
def authored(tmp_path):
    made = Authored.make(tmp_path)
    # While a batch is written, the log and the index of SQLite lie beside the file.
    made.install(
        "plain",
        LANDS
        + """
import os, pathlib
@hookimpl
def load():
    for file in pathlib.Path(os.environ["SEEN"]).rglob("m.db*"):
        with open(os.environ["MODES"], "a") as modes:
            print(file.name, oct(file.stat().st_mode & 0o777), file=modes)
""",
    )
    return made


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o002])
def test_g23_no_file_of_a_run_is_left_to_the_umask(authored, tmp_path, umask):
    modes = tmp_path / "modes"
    done = authored.migrate(
        "run", "--json", "--plugins", "plain", "--target", "sqlite:///m.db", umask=umask,
        SEEN=str(authored.folder), MODES=str(modes),
    )  # fmt: skip
    assert done.code == 0, done.err
    while_it_ran = dict(line.split() for line in modes.read_text().splitlines())
    assert while_it_ran == dict.fromkeys(("m.db", "m.db-wal", "m.db-shm", "m.db.lock"), "0o600")
    left = {
        str(path.relative_to(authored.folder)): stat.S_IMODE(path.stat().st_mode)
        for path in authored.folder.rglob("*")
        if path.is_file()
    }
    assert set(left.values()) == {0o600}, left
    kinds = {"m.db", "m.db.lock"}
    kinds |= {f".migrate/{name}" for name in ("anchors", "mask.key", "target.json")}
    assert kinds < set(left)
    others = [name for name in left if name.endswith((".json", ".html", ".arrow"))]
    assert len(set(others) - kinds) == 3


def test_g23_the_file_of_a_target_that_is_there_keeps_its_rights(authored, tmp_path):
    (authored.folder / "m.db").touch(0o640)
    (authored.folder / "m.db").chmod(0o640)
    variables = {"SEEN": str(authored.folder), "MODES": str(tmp_path / "modes")}
    words = ("--plugins", "plain", "--target", "sqlite:///m.db")
    assert authored.migrate("run", *words, **variables).code == 0
    assert stat.S_IMODE((authored.folder / "m.db").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("mode", "who"),
    [(0o644, "every user"), (0o604, "every user"), (0o640, "its group"), (0o600, None)],
)
def test_g23_an_env_file_that_others_can_read_is_told_of_once(authored, tmp_path, mode, who):
    (authored.folder / ".env").write_text("PLAIN_TOKEN=sesame-opens\n")
    (authored.folder / ".env").chmod(mode)
    variables = {"SEEN": str(authored.folder), "MODES": str(tmp_path / "modes")}
    words = ("--target", "sqlite:///m.db")
    for command in ("run", "plan", "reconcile", "status"):
        more = () if command == "status" else ("--plugins", "plain")
        done = authored.migrate(command, *more, *words, **variables)
        assert done.code == 0, done.err
        told = [line for line in done.err.splitlines() if ".env" in line]
        assert len(told) == (1 if who else 0), (command, done.err)
        if who:
            assert f"can be read by {who}" in told[0]
            assert "sesame" not in done.err
