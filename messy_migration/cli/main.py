"""The command `migrate`: a table of commands, and the one place where errors become text.

Commands are named here and imported only when called, since pandas, pyarrow and SQLAlchemy
cost more than a second that `migrate --help` must not take. From here to `cli/run.py`.
"""

from __future__ import annotations

import difflib
import gc
import hashlib
import importlib
import json
import os
import select
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from messy_migration.cli.ending import keep_to_main
from messy_migration.cli.render import GIVEN, error_line, say
from messy_migration.config.commands import runnable
from messy_migration.errors import Interrupted, MigrationError, PluginError, UsageProblem
from messy_migration.redaction import Redactor, printable, sounds_secret

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

GROUP = "messy_migration.commands"

COMMANDS = {
    "run": ("messy_migration.cli.run", "Migrate, then reconcile; again, resume."),
    "plan": ("messy_migration.cli.plan", "What would be read and written; writes nothing."),
    "reconcile": ("messy_migration.cli.reconcile", "Prove the target again."),
    "compare": ("messy_migration.cli.compare", "Hold two databases against each other."),
    "status": ("messy_migration.cli.status", "Runs and tables, from the ledger."),
    "report": ("messy_migration.cli.report", "Evidence files: show, open and verify them."),
    "plugins": ("messy_migration.cli.plugins", "Installed plugins, and what is wrong with them."),
    "config": ("messy_migration.cli.config", "Resolved settings and where they came from."),
}
"""Command name -> (module, one-line help); the module's `command` is the command."""

_EXIT_CODES = """\b
Exit codes:
  0    done and reconciled
  1    a defect of migrate itself
  2    usage: the command line
  3    configuration
  4    a plugin
  5    the source
  6    the target
  7    quality: too many records in quarantine
  8    reconciliation MISMATCH or UNKNOWN, or foreign changes
  75   another run holds the target
  130  interrupted (143: terminated, 141: nobody reads the output); run again to resume
"""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Our own commands in the order of the table, then those of other distributions."""
        return [*COMMANDS, *(name for name in sorted(_offered()) if name not in COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command; None where there is none of that name."""
        if cmd_name in COMMANDS:
            module = importlib.import_module(COMMANDS[cmd_name][0])
            command: click.Command = module.command
            return command
        labels = _offered().get(cmd_name)
        return _load_offered(cmd_name, labels) if labels else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest command named where there is none."""
        name = args[0]
        if not name.startswith("-") and name not in self.list_commands(ctx):
            near = difflib.get_close_matches(name.lower(), self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table: nothing is imported for it."""
        rows = [
            (name, COMMANDS[name][1] if name in COMMANDS else f"From {_offered()[name][0]}.")
            for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _show_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:  # noqa: FBT001
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"migrate {version('messy-migration')}")
    except PackageNotFoundError:
        click.echo("migrate (not installed, running from its source)")
    ctx.exit()


@click.group(cls=LazyGroup, epilog=_EXIT_CODES, context_settings={"max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
def migrate() -> None:
    """Move data from one system to another and prove, row by row, that it arrived."""


def main() -> None:
    """The console entry: run the command line of this process and exit."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the caller closed it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    # numpy would start a thread a processor for algebra that nobody does here, and each of them
    # spins for a tenth of a second. Workers inherit it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    keep_to_main()
    code = run(sys.argv[1:])
    # Else Python looks through all that was imported for cycles once more, a quarter of a second.
    gc.freeze()
    sys.exit(code)


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code; every error becomes one line here."""
    redactor, arguments = Redactor(), list(argv)
    try:
        code = _invoke(arguments, redactor)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.message, err=True)
        return UsageProblem.exit_code
    except BaseException as error:  # noqa: BLE001  the boundary: nothing passes
        if isinstance(error, BrokenPipeError) and _reader_left():
            return 141
        return _report(error, arguments, redactor)
    return code


def _invoke(argv: list[str], redactor: Redactor) -> int:
    try:
        with migrate.make_context("migrate", list(argv), obj=redactor) as ctx:
            ctx.meta["messy_migration.command"] = tuple(argv)
            ctx.meta[GIVEN] = argv
            result = migrate.invoke(ctx)
    except click.exceptions.Exit as done:
        return done.exit_code
    return result if isinstance(result, int) else 0


def _report(error: BaseException, argv: Sequence[str], redactor: Redactor) -> int:
    """Show the error in one line, and with --json as one object too; the exit code."""
    problem = _known(error)
    options = argv[: argv.index("--")] if "--" in argv else argv
    try:
        if "--debug" in options and not isinstance(error, click.ClickException):
            text = redactor.text("".join(traceback.format_exception(error)))
            say(text, err=True)
        problem.next = runnable(problem.next, argv)
        error_line(_one_line(redactor.text(str(problem))))
        if "--json" in options:
            click.echo(json.dumps({"schema": 1, "error": _fields(problem, redactor)}))
        sys.stdout.flush()
    except BrokenPipeError:
        _silence()
    return problem.exit_code


def _fields(error: MigrationError, redactor: Redactor) -> dict[str, str | int]:
    return {
        name: _one_line(redactor.text(value)) if isinstance(value, str) else value
        for name, value in error.as_dict().items()
    }


def _known(error: BaseException) -> MigrationError:
    if isinstance(error, MigrationError):
        return error
    if isinstance(error, click.ClickException):
        return _usage(error)
    if isinstance(error, KeyboardInterrupt | EOFError | click.Abort):
        return Interrupted("interrupted", next="run the same command again, it resumes")
    return _defect(error)


def _usage(error: click.ClickException) -> UsageProblem:
    """A click error in our form; the value of an option that may hold a secret is left out."""
    message = error.format_message().rstrip(".?")
    parameter = getattr(error, "param", None)
    name = getattr(parameter, "name", None) or ""
    if sounds_secret(name) or name == "target":
        message = f"the value of --{name.replace('_', '-')} is not usable"
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx else "migrate"
    return UsageProblem(message, next=f"`{path} --help`")


def _defect(error: BaseException) -> MigrationError:
    """An error that nobody foresaw. Its text stays out: it may quote a record or a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    line = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"
    report = hashlib.sha256(f"{type(error).__name__} {line}".encode()).hexdigest()[:8]
    return MigrationError(
        f"internal defect {type(error).__name__}",
        where=line,
        why=f"this should not happen, report id {report}",
        next="type the same command again with --debug, and report what it prints",
    )


def _one_line(text: str) -> str:
    """The text with control characters and undecodable bytes escaped, on one line."""
    return printable(" ".join(part for part in text.splitlines() if part))


def _reader_left() -> bool:
    """Whether nobody reads stdout any more; a broken pipe to anything else is an error."""
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):
        return False
    # Asked of the system: after a failed flush a second one reports success.
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
        return False
    _silence()
    return True


def _silence() -> None:
    """Send the rest of stdout nowhere, so that Python's own exit stays quiet too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _offered() -> dict[str, list[str]]:
    """Commands of other distributions: name -> who offers it."""
    plugins: dict[str, list[str]] = {}
    for entry in _entry_points():
        plugins.setdefault(entry.name, []).append(entry.dist.name if entry.dist else "unknown")
    return plugins


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def _load_offered(name: str, labels: Sequence[str]) -> click.Command:
    if len(labels) > 1:
        raise PluginError(
            f"the command {name!r} is there {len(labels)} times",
            where=", ".join(labels),
            next=f"pip uninstall {labels[-1]}",
        )
    try:
        command = _entry_points()[name].load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(
            f"the command {name!r} is broken",
            where=labels[0],
            why=f"{type(error).__name__} when it is imported",
        ) from error
    if isinstance(command, click.Command):
        return command
    raise PluginError(
        f"the command {name!r} is broken", where=labels[0], why="it is not a click command"
    )
