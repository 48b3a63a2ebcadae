"""What the plugin adds to somebody else's suite, run as somebody else runs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from messy_migration.testing.servers import postgres

pytest_plugins = ["pytester"]

ONE_TEST = "def test_it(postgres_url): assert postgres_url.startswith('postgresql+psycopg://')"


def test_importing_the_plugin_loads_no_driver_and_no_container_library():
    code = (
        "import sys, messy_migration.testing.pytest_plugin\n"
        "heavy = {'docker', 'testcontainers', 'psycopg', 'sqlalchemy', 'pandas', 'pyarrow'}\n"
        "heavy |= {'click', 'structlog', 'messy_migration.cli', 'messy_migration.config'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_suite_of_somebody_else_has_a_project(pytester):
    pytester.makepyfile(
        "def test_it(project):\n"
        "    assert project.migrate('plugins', 'list').code == 0\n"
        "    assert project.kind == 'sqlite'"
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)


def test_a_suite_that_wants_no_server_sees_nothing_of_it(pytester):
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("postgres:*")


def test_the_closing_lines_name_provider_version_and_number(pytester, monkeypatch, postgres_server):
    monkeypatch.setenv(postgres.PROVIDER_VARIABLE, "url")
    monkeypatch.setenv(postgres.URL_VARIABLE, postgres_server.url)
    pytester.makepyfile(ONE_TEST, test_more=f"{ONE_TEST}\ndef test_other(): pass")
    result = pytester.runpytest_subprocess("-W", "error")
    result.assert_outcomes(passed=3)
    line = f"postgres: provider url, server {postgres_server.version}, 2 tests ran on it; "
    result.stdout.fnmatch_lines([f"{line}testcontainers: NOT EXERCISED (*)"])


def test_without_a_server_its_tests_fail_and_are_not_skipped(pytester, monkeypatch):
    monkeypatch.setenv(postgres.URL_VARIABLE, "postgresql://me:s3cret@127.0.0.1:1/postgres")
    monkeypatch.setenv(postgres.PROVIDER_VARIABLE, "url")
    pytester.makepyfile(ONE_TEST)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["postgres: NO SERVER for 1 tests that need one"])


@pytest.mark.parametrize("option", ["--help", "--fixtures"])
def test_the_plugin_gets_along_with_the_options_of_pytest(pytester, option):
    assert pytester.runpytest_subprocess(option).ret in {0, 5}


def test_workers_of_xdist_add_up_in_the_closing_lines(pytester, monkeypatch, postgres_server):
    monkeypatch.setenv(postgres.PROVIDER_VARIABLE, "url")
    monkeypatch.setenv(postgres.URL_VARIABLE, postgres_server.url)
    pytester.makepyfile(ONE_TEST, test_more=ONE_TEST, test_third="def test_other(): pass")
    result = pytester.runpytest_subprocess("-n2", "--dist=loadfile")
    result.assert_outcomes(passed=3)
    line = f"postgres: provider url, server {postgres_server.version}, 2 tests ran on it; "
    result.stdout.fnmatch_lines([f"{line}testcontainers: NOT EXERCISED (*)"])
