from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import messy_migration
from messy_migration.cli import main, options
from messy_migration.cli.main import run
from messy_migration.errors import Locked, ProofError

ROOT = Path(messy_migration.__file__).parent.parent
HEAVY = ("pandas", "pyarrow", "sqlalchemy", "pydantic", "structlog", "rich", "alembic")
CANARY = "canary-7f3a"


@pytest.fixture
def body(monkeypatch):
    """A function that puts a command `probe` into the group; its body is the argument."""

    def install(function):
        @click.command()
        @options.json_option
        @options.plugins_option
        @options.target_option
        @click.option("--password", type=int)
        @options.common_options
        def probe(common, as_json, plugins, target, password):
            return function(common=common, plugins=plugins, target=target)

        monkeypatch.setattr(main.migrate, "commands", {"probe": probe})
        lazy = main.LazyGroup.get_command
        names = main.LazyGroup.list_commands
        monkeypatch.setattr(
            main.LazyGroup,
            "get_command",
            lambda self, ctx, name: probe if name == "probe" else lazy(self, ctx, name),
        )
        monkeypatch.setattr(
            main.LazyGroup, "list_commands", lambda self, ctx: [*names(self, ctx), "probe"]
        )

    return install


def fail_with(error):
    def function(**_):
        raise error

    return function


def process(*argv, code=None, **kwargs):
    start = ["-c", code] if code else ["-m", "messy_migration"]
    return subprocess.run(
        [sys.executable, *start, *argv],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
        check=False,
        **kwargs,
    )


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from messy_migration.cli.main import run; run(['--help']);"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = process(code=code)
    assert "Exit codes:" in done.stdout
    assert done.stderr.strip() == "[]"


def test_help_lists_every_command_and_every_exit_code(capsys):
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    words = {line.split()[0] for line in out.splitlines() if line.strip()}
    assert set(main.COMMANDS) <= words
    assert {"0", "1", "2", "3", "4", "5", "6", "7", "8", "75", "130"} <= words


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("migrate ")


@pytest.mark.parametrize("argv", [[], ["plugins"], ["config"]], ids=str)
def test_no_arguments_is_help_and_exit_2_c01(argv, capsys):
    assert run(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage: migrate" in err


@pytest.mark.parametrize(
    "argv, words",
    [
        pytest.param(["plugin"], "Did you mean 'plugins'", id="C02-command"),
        pytest.param(["plugins", "lst"], "Did you mean 'list'", id="C02-subcommand"),
        pytest.param(["probe", "--plugin", "a"], "Did you mean '--plugins'", id="C02-option"),
        pytest.param(["--hlep"], "--help", id="C02-group-option"),
        pytest.param(["probe", "--plugins", ""], "no plugin is named", id="C03-empty"),
        pytest.param(["probe", "--plugins", ","], "no plugin is named", id="C03-comma"),
        pytest.param(["probe", "--plugins", "a,,b"], "place 2 is empty", id="C04-gap"),
        pytest.param(["probe", "--plugins", "a, a"], "a is named twice", id="C04-twice"),
        pytest.param(["probe", "--plugins", "os:system"], "not a plugin name", id="C07"),
        pytest.param(["probe", "--log-level", "loud"], "'debug', 'info'", id="C08-choice"),
        pytest.param(["probe", "\udcff\x07"], "\\udcff\\x07", id="C19"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(body, capsys, argv, words):
    body(lambda **_: 0)
    assert run(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["probe", f"postgresql://bob:{CANARY}@h/x"], id="C14-argument"),
        pytest.param(["probe", "--password", CANARY], id="C14-option"),
        pytest.param(["probe", f"--passwort={CANARY}"], id="C14-unknown-option"),
        pytest.param(["probe", f"token={CANARY}"], id="C14-word"),
    ],
)
def test_a_usage_error_does_not_echo_what_looks_secret(body, capsys, argv):
    body(lambda **_: 0)
    assert run([*argv, "--json"]) == 2
    out, err = capsys.readouterr()
    assert CANARY not in out + err
    assert json.loads(out)["error"]["kind"] == "UsageProblem"


def test_shared_options_arrive_as_one_value(body):
    seen = {}
    body(lambda **given: seen.update(given))
    argv = "probe -c a.toml -p night --log-level debug --debug --no-color --plugins b,a --target x"
    assert run(argv.split()) == 0
    common = seen["common"]
    assert (common.config, common.profile, common.log_level) == (Path("a.toml"), "night", "debug")
    assert (common.debug, common.no_color, common.log_format) == (True, True, None)
    assert (seen["plugins"], seen["target"]) == (["b", "a"], "x")


@pytest.mark.parametrize("answer, code", [(None, 0), (0, 0), (8, 8)])
def test_what_a_command_returns_is_the_exit_code(body, answer, code):
    body(lambda **_: answer)
    assert run(["probe"]) == code


@pytest.mark.parametrize("error", [ProofError("a\nb", "w", f"password={CANARY}"), Locked("held")])
def test_an_error_is_one_redacted_line_and_its_exit_code(body, capsys, error):
    body(fail_with(error))
    assert run(["probe", "--json"]) == error.exit_code
    out, err = capsys.readouterr()
    assert CANARY not in out + err
    assert len(err.splitlines()) == 1
    assert err.startswith("error: ")
    found = json.loads(out)
    assert found["schema"] == 1
    assert found["error"]["exit_code"] == error.exit_code


def test_a_registered_secret_is_masked_in_an_error(body, capsys):
    def function(common, **_):
        common.redactor.register(CANARY)
        raise ProofError(f"x{CANARY}x")

    body(function)
    assert run(["probe"]) == 8
    assert capsys.readouterr().err == "error: x***x\n"


@pytest.mark.parametrize("error", [KeyError(CANARY), SystemExit(0), RecursionError(CANARY)])
def test_anything_else_is_a_defect_of_ours_with_a_report_id(body, capsys, error):
    body(fail_with(error))
    assert run(["probe"]) == 1
    err = capsys.readouterr().err
    assert f"internal defect {type(error).__name__} [test_main.py:" in err
    assert "report id" in err
    assert "Traceback" not in err
    assert CANARY not in err


def test_a_traceback_needs_debug_and_is_redacted(body, capsys):
    body(fail_with(ValueError(f"token={CANARY}")))
    assert run(["probe", "--debug"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "in function" in err
    assert CANARY not in err


def test_ctrl_c_is_130(body, capsys):
    body(fail_with(KeyboardInterrupt()))
    assert run(["probe"]) == 130
    assert capsys.readouterr().err == (
        "error: interrupted. Next: run `migrate probe` again, it resumes\n"
    )


def test_a_broken_pipe_that_is_not_our_output_is_a_defect(body, capsys):
    body(fail_with(BrokenPipeError(32, "x")))
    assert run(["probe"]) == 1
    assert "BrokenPipeError" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--help"], ["config", "show"], ["plugins", "list", "--json"]])
def test_a_reader_that_left_is_quiet_c20(argv, tmp_path):
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "messy_migration", *argv],
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb", "COLUMNS": "20"},
            timeout=60,
            check=False,
        )
    finally:
        os.close(write)
    assert done.returncode == 141
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


COMMAND = "import click\n@click.command()\ndef {name}():\n    click.echo('hello')\n"


@pytest.fixture
def offer(plugin_site):
    """A function that installs a command of another distribution."""

    def install(name, source, **how):
        folder = plugin_site(name, source, group="messy_migration.commands", **how)
        module = how.get("module") or f"mm_test_{name}"
        for path in folder.glob("*.dist-info/entry_points.txt"):
            path.write_text(path.read_text().replace(f"= {module}\n", f"= {module}:{name}\n"))

    return install


def test_a_command_of_another_distribution(offer, capsys):
    offer("extra", COMMAND.format(name="extra"))
    assert run(["--help"]) == 0
    assert "mm_test_extra" not in sys.modules
    assert "From mm-test-extra." in capsys.readouterr().out
    assert run(["extra"]) == 0
    assert capsys.readouterr().out == "hello\n"


@pytest.mark.parametrize(
    "source, words",
    [
        pytest.param("import nosuch_x", "ModuleNotFoundError", id="L01"),
        pytest.param("import sys; sys.exit(0)", "SystemExit", id="L02"),
        pytest.param("extra = 1", "not a click command", id="L07"),
    ],
)
def test_a_broken_command_of_another_distribution(offer, capsys, source, words):
    offer("extra", source)
    assert run(["extra"]) == 4
    err = capsys.readouterr().err
    assert words in err
    assert "mm-test-extra" in err


def test_two_distributions_with_one_command_l08(offer, capsys):
    offer("extra", COMMAND.format(name="extra"), dist="one", module="mm_test_one")
    offer("extra", COMMAND.format(name="extra"), dist="two", module="mm_test_two")
    assert run(["extra"]) == 4
    assert "there 2 times" in capsys.readouterr().err


def test_a_built_in_command_cannot_be_replaced_l10(offer, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    offer("plugins", COMMAND.format(name="plugins"))
    assert run(["plugins", "list"]) == 0
    assert "hello" not in capsys.readouterr().out
