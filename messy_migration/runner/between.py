"""Open two databases by their URLs, and compare them: no run, no ledger, no plugin."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from messy_migration import errors, logs
from messy_migration import registry as registries
from messy_migration import settings as configuration
from messy_migration.errors import (
    ConfigurationError,
    MigrationError,
    SourceError,
    TargetError,
    UsageProblem,
)
from messy_migration.ledger.runs import now
from messy_migration.reconcile import between
from messy_migration.reconcile.between import Budget, Side, TableComparison
from messy_migration.reconcile.tables import Wishes
from messy_migration.reconcile.verdict import Word
from messy_migration.runner.workspace import Request
from messy_migration.secrets import builtin_secret, is_loopback, is_reference, parse_target
from messy_migration.settings import Settings
from messy_migration.target.engine import Target, open_target
from messy_migration.target.failures import refusals

_LOG = logging.getLogger(__name__)
_FAILURES = {"left": SourceError, "right": TargetError}


@dataclass(frozen=True)
class Comparison:
    """Two databases held against each other.

    Attributes:
        left, right: their URLs without passwords.
        servers: what they say they are.
        begun_at: when both snapshots were open, in UTC.
        tables: a verdict for each table.
        verdict: the worst of them.
        exit_code: 0 only if all are MATCH, else 8.
    """

    left: str
    right: str
    servers: tuple[str, str]
    begun_at: str
    tables: tuple[TableComparison, ...]
    verdict: Word
    exit_code: int


def compare(request: Request, left: str, right: str, wishes: Wishes, budget: Budget) -> Comparison:
    """See `messy_migration.api.compare`."""
    settings = configuration.load(request.config, request.profile, request.flags)
    logs.configure(settings.core.log_level, settings.core.log_format, request.redactor)
    urls = {
        name: _url(settings, request, name, text)
        for name, text in (("left", left), ("right", right))
    }
    if urls["left"] == urls["right"] and not wishes.tables_map:
        raise UsageProblem("both sides are the same database", "--between")
    targets = {name: open_target(url, "messy-migration") for name, url in urls.items()}
    with ExitStack() as stack:
        sides, servers = [], []
        for name, target in targets.items():
            side, server = stack.enter_context(_opened(name, target))
            sides.append(side)
            servers.append(server)
        begun = now()
        found = between.compare(sides[0], sides[1], wishes, budget)
    verdict = between.overall(found)
    code = errors.exit_code(set(), mismatch=verdict == "MISMATCH", unknown=verdict == "UNKNOWN")
    labels = [target.label for target in targets.values()]
    return Comparison(
        labels[0], labels[1], (servers[0], servers[1]), begun, tuple(found), verdict, code
    )


def _url(settings: Settings, request: Request, name: str, text: str) -> URL:
    where = f"--between, the {name} URL"
    is_secret = is_reference(text)
    if is_secret:
        text = _resolved(settings, request, text)
        request.redactor.register(text)
    try:
        url = parse_target(text)
    except ConfigurationError as error:
        kind = ConfigurationError if is_secret else UsageProblem
        raise kind(f"the {name} URL is not usable", where, error.why, error.next) from None
    if url.password is not None:
        request.redactor.register(str(url.password))
        if not is_secret and is_loopback(url):
            _LOG.warning("%s", f"{where} can be read by others, with what it holds")
        elif not is_secret:
            raise UsageProblem(
                f"the {name} URL holds a password",
                where,
                "command lines are read by others",
                "put the whole URL into a variable and name it: --between env://NAME ...",
            )
    if url.get_backend_name() == "sqlite" and url.database:
        return url.set(database=str(settings.directory / url.database))
    return url


def _resolved(settings: Settings, request: Request, reference: str) -> str:
    value = builtin_secret(reference, settings.environment)
    if value is not None:
        return value
    # Another scheme is a plugin's.
    known = registries.build(
        settings.core.plugins,
        environment=settings.environment,
        on_secret=request.redactor.register,
    )
    return known.resolve(reference)


@contextmanager
def _opened(name: str, target: Target) -> Iterator[tuple[Side, str]]:
    """A snapshot of one side.

    Raises:
        SourceError: the left one cannot be opened.
        TargetError: the right one cannot be opened.
    """
    with ExitStack() as stack:
        try:
            _refuse_missing(target)
            connection = stack.enter_context(target.dialect.reading(target.engine))
            with refusals(target.label):
                server = target.dialect.check(connection)
        except MigrationError as error:
            raise _FAILURES[name](
                f"the {name} database cannot be opened",
                target.label,
                error.why or error.what,
                error.next or "check its URL and that it is there",
            ) from error
        yield Side(connection, target.dialect), server


def _refuse_missing(target: Target) -> None:
    """A SQLite file springs into being when it is opened; looking at one must not make it."""
    file = target.engine.url.database
    if target.dialect.name in ("sqlite", "duckdb") and file and not Path(file).exists():
        raise TargetError("it cannot be opened", why="there is no such file")
