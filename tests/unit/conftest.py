"""Plugins made up for one test, and a log that no test leaves behind."""

from __future__ import annotations

import textwrap

import pytest

from messy_migration.testing.project import forgotten, fresh_logging


@pytest.fixture(autouse=True)
def unconfigured_log():
    """Take back what a command or a test set up; a left-over would feed later tests."""
    with fresh_logging():
        yield


@pytest.fixture
def plugin_site(tmp_path, monkeypatch):
    """A function that installs a plugin: `plugin_site(name, source, **how)`.

    How: `dist` and `version` name the distribution, `module` the file, `entries` other names
    for the same module, `group` another entry-point group, `root` another folder.
    """

    def install(
        name,
        source,
        *,
        dist=None,
        version="1.0",
        module=None,
        entries=(),
        group="messy_migration",
        root="site",
    ):
        folder = tmp_path / root
        folder.mkdir(exist_ok=True)
        dist = dist or f"mm-test-{name.lower()}"
        module = module or f"mm_test_{name.lower().replace('-', '_')}"
        head = "from messy_migration.hookspecs import hookimpl\n"
        (folder / f"{module}.py").write_text(head + textwrap.dedent(source))
        info = folder / f"{dist.replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
        lines = [f"{entry} = {module}" for entry in (name, *entries)]
        (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
        monkeypatch.syspath_prepend(str(folder))
        return folder

    with forgotten("mm_test_"):
        yield install
