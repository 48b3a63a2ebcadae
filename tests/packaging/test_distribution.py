"""What is in the wheel and the sdist, and that what is in there can be used."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import messy_migration

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
LIBRARIES = {"ticketing"}
"""What plugins share; nobody types its name after `--plugins`."""

IMPORT_ALL = """
import importlib, pkgutil, messy_migration
for module in pkgutil.walk_packages(messy_migration.__path__, "messy_migration."):
    if not module.name.endswith(".__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""


def run(*command, cwd=None):
    done = subprocess.run(
        [sys.executable, "-P", *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_wheel(source, folder):
    run("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def member(wheel, suffix):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(suffix)]
        return archive.read(name).decode()


def entry_points(wheel):
    parser = configparser.ConfigParser()
    parser.optionxform = str
    parser.read_string(member(wheel, ".dist-info/entry_points.txt"))
    return {section: dict(parser[section]) for section in parser.sections()}


def sources(folder, *, below, named):
    return {
        f"{named}/{path.relative_to(folder / below).as_posix()}"
        for path in (folder / below).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    run("-m", "hatchling", "build", "--target", "sdist", "--directory", folder, cwd=ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    return sdist


def test_the_wheel_holds_the_whole_package_and_the_revisions_and_nothing_else(wheel):
    expected = sources(ROOT, below="messy_migration", named="messy_migration")
    expected |= sources(ROOT, below="migrations", named="messy_migration/_migrations")
    assert {name for name in names_in(wheel) if ".dist-info/" not in name} == expected


def test_the_wheel_holds_what_alembic_needs_and_the_mark_of_types(wheel):
    names = names_in(wheel)
    assert {
        "messy_migration/py.typed",
        "messy_migration/_migrations/env.py",
        "messy_migration/_migrations/script.py.mako",
    } <= names
    versions = {n for n in names if n.startswith("messy_migration/_migrations/versions/")}
    assert any(name.endswith(".py") for name in versions)


def test_the_wheel_offers_both_commands_and_the_fixtures(wheel):
    assert entry_points(wheel) == {
        "console_scripts": {
            "migrate": "messy_migration.cli.main:main",
            "messy-migration": "messy_migration.cli.main:main",
        },
        "pytest11": {"messy_migration": "messy_migration.testing.pytest_plugin"},
    }


def test_the_wheel_says_its_licence_and_its_python(wheel):
    metadata = message_from_string(member(wheel, ".dist-info/METADATA"))
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Apache License" in member(wheel, ".dist-info/licenses/LICENSE")


def test_the_wheel_carries_no_upper_pin(wheel):
    metadata = message_from_string(member(wheel, ".dist-info/METADATA"))
    versions = [text.partition(";")[0] for text in metadata.get_all("Requires-Dist")]
    pinned = [text for text in versions if "<" in text or "==" in text]
    assert pinned == []


def test_a_wheel_built_from_the_sdist_is_the_same(wheel, sdist, tmp_path):
    assert names_in(build_wheel(sdist, tmp_path)) == names_in(wheel)


def test_the_sdist_holds_no_tests_and_no_plugins(sdist):
    with tarfile.open(sdist) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert {"messy_migration", "migrations", "pyproject.toml", "LICENSE", "README.md"} <= tops
    assert not tops & {"tests", "plugins", "benchmarks", ".github", ".ci"}


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_is_a_distribution_found_by_the_name_of_its_folder(plugin, tmp_path):
    wheel = build_wheel(plugin, tmp_path)
    package = f"messy_migration_{plugin.name}"
    expected = sources(plugin, below=package, named=package)
    assert {name for name in names_in(wheel) if ".dist-info/" not in name} == expected
    assert f"{package}/py.typed" in expected
    if plugin.name in LIBRARIES:
        assert not any(name.endswith("entry_points.txt") for name in names_in(wheel))
    else:
        assert plugin.name in entry_points(wheel)["messy_migration"]
    metadata = message_from_string(member(wheel, ".dist-info/METADATA"))
    assert any(text.startswith("messy-migration") for text in metadata.get_all("Requires-Dist"))


def test_there_is_a_plugin_to_look_at():
    assert PLUGINS


def test_every_module_can_be_imported_by_itself():
    imported = run("-W", "error", "-c", IMPORT_ALL).split()
    assert "messy_migration.errors" in imported


@pytest.mark.skipif("TOX_ENV_NAME" not in os.environ, reason="only tox installs the wheel")
def test_the_suite_runs_against_the_wheel_and_not_the_checkout():
    package = Path(messy_migration.__file__).parent
    assert not package.is_relative_to(ROOT / "messy_migration")
    assert (package / "_migrations" / "env.py").is_file()


@pytest.mark.parametrize("ignored", [ROOT, *PLUGINS], ids=lambda path: path.name)
def test_no_pattern_of_gitignore_can_drop_a_folder_of_the_package(ignored):
    file = ignored / ".gitignore"
    lines = file.read_text().splitlines() if file.exists() else []
    patterns = {line.strip().strip("/") for line in lines if not line.strip().startswith("/")}
    folders = {path.name for path in (ROOT / "messy_migration").rglob("*") if path.is_dir()}
    assert not patterns & ((folders | {"target", "models"}) - {"__pycache__"})


def test_the_contracts_name_every_plugin():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    packages = {f"messy_migration_{path.name}" for path in PLUGINS}
    by_id = {contract["id"]: contract for contract in settings["contracts"]}
    assert packages <= set(settings["root_packages"])
    assert packages == set(by_id["plugins-see-public-names"]["source_modules"])
    assert packages == set(by_id["core-knows-no-plugin"]["forbidden_modules"])


def test_the_contracts_close_every_private_room_to_plugins():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = [c for c in settings["contracts"] if c["id"] == "plugins-see-public-names"]
    closed = {name.removeprefix("messy_migration.") for name in contract["forbidden_modules"]}
    package = ROOT / "messy_migration"
    rooms = {path.stem for path in package.glob("*.py")}
    rooms |= {path.parent.name for path in package.glob("*/__init__.py")}
    public = {
        "__init__",
        "__main__",
        "c1",
        "errors",
        "hookspecs",
        "http",
        "model",
        "reflection",
        "testing",
    }
    assert rooms - public == closed
