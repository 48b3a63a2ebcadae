"""What a folder remembers of its target holds no secret."""

from __future__ import annotations

from dataclasses import replace

import pytest

from messy_migration.config import last_target, settings
from messy_migration.config.last_target import LastTarget

SECRET = "hunter/2+hunter=2"


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Settings of a folder, under a target and a password."""
    monkeypatch.chdir(tmp_path)

    def load(target, password=None):
        found = settings.load(None, None, {}, {})
        values = {"target": target, "target_password": password}
        return replace(found, core=found.core.model_copy(update=values))

    return load


@pytest.mark.parametrize(
    ("target", "password", "kept"),
    [
        ("sqlite:///a.db", None, LastTarget("sqlite:///a.db", "default")),
        (
            "postgresql://me:hunter%2F2+hunter%3D2@localhost/d",
            None,
            LastTarget("postgresql://me@localhost/d", "default", None, left_out=True),
        ),
        (
            "postgresql://me@localhost/d",
            SECRET,
            LastTarget("postgresql://me@localhost/d", "default", None, left_out=True),
        ),
        (
            "postgresql://me@localhost/d",
            "env://PASSWORD",
            LastTarget("postgresql://me@localhost/d", "default", "env://PASSWORD"),
        ),
        (
            "postgresql://localhost/d?web_key=hunter2hunter&sslmode=disable",
            None,
            LastTarget("postgresql://localhost/d?sslmode=disable", "default", None, left_out=True),
        ),
        ("env://TARGET", None, LastTarget("env://TARGET", "default")),
    ],
)
def test_a_target_is_kept_without_any_password(loaded, tmp_path, target, password, kept):
    last_target.write(loaded(target, password))
    assert last_target.read(tmp_path) == kept
    assert "hunter" not in (tmp_path / last_target.FILE).read_text()


def test_a_folder_without_a_run_remembers_nothing(tmp_path):
    assert last_target.read(tmp_path) is None
