"""Plugins made up for one test, and a log that no test leaves behind."""

from __future__ import annotations

import logging
import sys
import textwrap

import pytest
import structlog


@pytest.fixture(autouse=True)
def unconfigured_log():
    """Take back what a command or a test set up; a left-over would feed later tests."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    logging.captureWarnings(capture=False)
    root.setLevel(level)
    for handler in list(root.handlers):
        if handler not in handlers and handler.get_name() == "messy_migration.handler":
            root.removeHandler(handler)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def plugin_site(tmp_path, monkeypatch):
    """A function that installs a plugin: `plugin_site(name, source, **how)`.

    How: `dist` and `version` name the distribution, `module` the file, `entries` other names
    for the same module, `group` another entry-point group, `root` another folder.
    """
    before = set(sys.modules)

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

    yield install
    for name in set(sys.modules) - before:
        if name.startswith("mm_test_"):
            del sys.modules[name]
