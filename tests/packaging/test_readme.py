from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))
}


def blocks(text):
    """(language, text) of each block of code."""
    return re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


SHELL = [text for kind, text in blocks(README) if kind == "sh"]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The files that git would give, and nothing else."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def shell(text, folder, clone):
    """Run lines as a stranger would type them, this interpreter being `python3`."""
    binaries = clone / ".shims"
    binaries.mkdir(exist_ok=True)
    shim = binaries / "python3"
    if not shim.exists():
        # Outside a venv, so that the venvs it makes are whole.
        base = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
        shim.write_text(f'#!/bin/sh\nexec {shlex.quote(str(base))} "$@"\n', encoding="utf-8")
        shim.chmod(0o755)
    kept = {"HOME", "LANG", "TMPDIR", "PIP_INDEX_URL", "PIP_CONFIG_FILE", "PIP_CACHE_DIR"}
    environment = {name: value for name, value in os.environ.items() if name in kept}
    environment["PATH"] = f"{binaries}:/usr/local/bin:/usr/bin:/bin"
    # Of twenty thousand modules that pip would compile, a run imports one in ten.
    environment["PIP_NO_COMPILE"] = "1"
    done = subprocess.run(
        ["bash", "-euc", text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_first_command_ends_match_and_again_changes_nothing(clone):
    first = shell(SHELL[0], clone, clone)
    assert "\nMATCH " in first
    again = shell(".venv/bin/migrate run --plugins eventcombo,vivenu --sandbox", clone, clone)
    assert "\nMATCH " in again


def test_the_commands_on_files_run_as_written(clone):
    if not (clone / ".venv").exists():
        shell(SHELL[0], clone, clone)
    said = shell(SHELL[1], clone, clone)
    assert said.count("\nMATCH ") == 2
    assert "CREATE TABLE" in said


def test_ci_runs_the_second_command():
    (command,) = [text.strip() for text in SHELL[2:]]
    assert command == ("python3 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for step in ("python3 -m venv", "pip", "install", "tox", "bin/tox"):
        assert step in script


@pytest.mark.parametrize(
    "text",
    [text for page in (README, *PAGES.values()) for kind, text in blocks(page) if kind == "toml"],
)
def test_configuration_on_the_pages_is_toml(text):
    assert tomllib.loads(text)


def test_the_readme_stays_short():
    assert len(README.splitlines()) <= 100


def test_every_link_leads_somewhere_and_every_page_is_linked():
    linked = set()
    for folder, page in ((ROOT, README), *((ROOT / "docs", page) for page in PAGES.values())):
        for place in re.findall(r"\]\(([^)#:]+)\)", page):
            assert (folder / place).is_file(), place
            linked.add((folder / place).resolve().name)
    assert set(PAGES) <= linked


def test_every_option_on_the_pages_is_one_of_the_command():
    from messy_migration.cli.main import migrate

    for page in (README, *PAGES.values()):
        for name, options in re.findall(r"`migrate (\w+)((?: [^`]*)?)`", page.replace("\n", " ")):
            known = {
                word
                for parameter in migrate.get_command(None, name).params
                for word in (*parameter.opts, *parameter.secondary_opts)
            }
            assert set(re.findall(r"--[\w-]+", options)) <= known, (name, options)


def test_every_command_and_exit_code_is_in_the_readme():
    from messy_migration.cli.main import COMMANDS

    for name in COMMANDS:
        assert f"`migrate {name}" in README
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 75, 130, 143):
        assert re.search(rf"^\|[^|]*\b{code}\b[^|]*\|", README, re.MULTILINE), code


def test_the_plugin_of_the_page_passes_the_test_of_the_page(project):
    programs = [text for kind, text in blocks(PAGES["plugins.md"]) if kind == "python"]
    (plugin,) = (text for text in programs if "def extract" in text)
    (test,) = (text for text in programs if "(project)" in text)
    names = {"HELLO": plugin}
    exec(test, names)
    names["test_two_people_arrive"](project)
