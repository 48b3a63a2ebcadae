"""The demo folder: the same every time, and nothing in it that would be rejected."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import messy_migration_files
from messy_migration.errors import ConfigurationError
from messy_migration.model import Frame
from messy_migration_files.demo import main, write_demo


def rows_of(directory: Path) -> dict[str, list[tuple[object, ...]]]:
    profile = tomllib.loads((directory / "migrate.toml").read_text())
    settings = messy_migration_files.settings_model().model_validate(
        profile["files"], context={"directory": directory}
    )
    rows: dict[str, list[tuple[object, ...]]] = {}
    for stream in messy_migration_files.streams(settings):
        for partition in messy_migration_files.partitions(stream, settings):
            for frame in messy_migration_files.extract(stream, partition, settings):
                assert isinstance(frame, Frame)
                found = [tuple(row.values()) for row in frame.table.to_pylist()]
                rows.setdefault(stream.name, []).extend(found)
    return rows


def test_demo_is_clean_and_full_of_what_clean_files_hold(tmp_path: Path):
    records = write_demo(tmp_path / "demo")
    rows = rows_of(tmp_path / "demo")
    tickets, scans = rows["files.tickets"], rows["files.scans"]
    assert len(tickets) + len(scans) == records > 5000
    assert len({ticket[0] for ticket in tickets}) == len(tickets)
    assert all(None not in (ticket[0], ticket[1], ticket[4]) for ticket in tickets)
    assert max(Counter(scans).values()) > 1
    notes = {ticket[7] for ticket in tickets}
    assert {None, "", "two lines\nof note", " padded "} <= notes


def test_demo_is_the_same_every_time(tmp_path: Path):
    write_demo(tmp_path / "one")
    write_demo(tmp_path / "two")
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 11
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_demo_refuses_a_folder_that_is_not_empty(tmp_path: Path, capsys):
    (tmp_path / "mine").touch()
    with pytest.raises(ConfigurationError):
        write_demo(tmp_path)
    assert main([str(tmp_path)]) == 3
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["a", "b"]])
def test_demo_usage(arguments, capsys):
    assert main(arguments) == 2
    assert "messy_migration_files.demo DIR" in capsys.readouterr().err


def test_demo_as_a_module(tmp_path: Path):
    command = [sys.executable, "-m", "messy_migration_files.demo", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "migrate run" in done.stdout
    assert (tmp_path / "demo" / "migrate.toml").is_file()
