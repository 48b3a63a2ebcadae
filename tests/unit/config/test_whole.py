"""A file that cannot be written leaves what was there, and nothing beside it."""

from __future__ import annotations

import os
import stat

import pytest

from messy_migration.config.whole import write_whole


def test_a_file_is_for_its_owner_and_replaces_the_one_before(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"before")
    write_whole(path, b"after\n")
    assert path.read_bytes() == b"after\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_what_was_there_stays_where_the_disk_refuses(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    path.write_bytes(b"before")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"after")
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
