"""Open two databases by their URLs, and compare them: no run, no ledger, no plugin."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL

from messy_migration import errors
from messy_migration import registry as registries
from messy_migration.api.results import Result
from messy_migration.compare import databases as between
from messy_migration.compare.budget import Budget
from messy_migration.compare.databases import TableComparison
from messy_migration.compare.findings import Word
from messy_migration.compare.matching import CompareOptions, Side
from messy_migration.config.secrets import builtin_secret, is_reference
from messy_migration.config.settings import Settings
from messy_migration.config.urls import is_loopback, parse_database
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.open import Database, open_database
from messy_migration.errors import (
    ConfigurationError,
    MigrationError,
    SourceError,
    TargetError,
    UsageProblem,
)
from messy_migration.ledger.clock import now
from messy_migration.logs import borrowed
from messy_migration.reconcile.as_json import difference_objects, findings_objects
from messy_migration.redaction import Redactor
from messy_migration.reflection import refuse_open_way
from messy_migration.workspace import Request, start_log

_LOG = logging.getLogger(__name__)
_FAILURES = {"left": SourceError, "right": TargetError}


@dataclass(frozen=True)
class Comparison(Result):
    """Two databases held against each other.

    Attributes:
        left, right: their URLs without passwords.
        servers: what they say they are.
        begun_at: when both snapshots were open, in UTC.
        tables: a verdict for each table.
        verdict: the worst of them.
        exit_code: 0 only if all are MATCH, else 8.
        hash: by which rows were compared, in words.
    """

    left: str
    right: str
    servers: tuple[str, str]
    begun_at: str
    tables: tuple[TableComparison, ...]
    verdict: Word
    exit_code: int
    hash: str = ""
    redactor: Redactor = field(default_factory=Redactor, repr=False, compare=False)

    def _object(self) -> dict[str, Any]:
        findings = [
            comparison.findings for comparison in self.tables if comparison.findings is not None
        ]
        return {
            "kind": "between",
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "left": self.left,
            "right": self.right,
            "servers": list(self.servers),
            "hash": self.hash,
            "begun_at": self.begun_at,
            "tables": [_table_object(comparison) for comparison in self.tables],
            "differences": difference_objects(findings),
            "located": findings_objects(findings),
        }

    def _headline(self) -> str:
        return f"{self.verdict} of {len(self.tables):,} tables: {self.left} and {self.right}"

    def _columns(self) -> Mapping[str, Sequence[str]]:
        return {
            "tables": ("table", "left_rows", "right_rows", "verdict", "reason"),
            "differences": ("table", "key", "kind", "columns"),
        }


@borrowed()
def compare(
    request: Request,
    left: str,
    right: str,
    wishes: CompareOptions | None = None,
    budget: Budget | None = None,
) -> Comparison:
    """Hold two databases against each other, table by table; nothing is written on either side.

    Needs no run, no ledger and no plugin. Each side is one read-only snapshot.

    Args:
        request: where `.env` and the settings of the log are.
        left: URL of a database, or a reference to one (`env://NAME`).
        right: the other one.
        wishes: which tables and columns, and what is called otherwise on the right.
        budget: how many differences are listed, and when to look no further.

    Raises:
        UsageProblem: a URL or a wish is not usable, or columns cannot be compared exactly.
        SourceError: the left database cannot be opened.
        TargetError: the right database cannot be opened, or a catalogue cannot be read.
    """
    wishes, budget = wishes or CompareOptions(), budget or Budget()
    settings = request.load()
    start_log(request, settings)
    for warning in settings.warnings:
        _LOG.warning("%s", warning)
    urls = {
        name: _url(settings, request, name, text)
        for name, text in (("left", left), ("right", right))
    }
    if urls["left"] == urls["right"] and not wishes.tables_map:
        raise UsageProblem("both sides are the same database", "compare")
    with ExitStack() as stack:
        sides, servers, labels = [], [], []
        for name, url in urls.items():
            database = _prepared(name, url)
            labels.append(database.label)
            side, server = stack.enter_context(_opened(name, database))
            sides.append(side)
            servers.append(server)
        begun = now()
        comparisons, hashing = between.compare(sides[0], sides[1], wishes, budget)
    verdict = between.overall(comparisons)
    code = errors.exit_code(set(), mismatch=verdict == "MISMATCH", unknown=verdict == "UNKNOWN")
    return Comparison(
        labels[0],
        labels[1],
        (servers[0], servers[1]),
        begun,
        tuple(comparisons),
        verdict,
        code,
        hashing.name,
        request.redactor,
    )


def _table_object(comparison: TableComparison) -> dict[str, Any]:
    pair = comparison.pair
    views = pair.views
    return {
        "table": pair.label,
        "left": pair.left,
        "right": pair.right,
        "left_rows": comparison.left.rows if comparison.left else None,
        "right_rows": comparison.right.rows if comparison.right else None,
        "fingerprint_left": comparison.left.lanes if comparison.left else None,
        "fingerprint_right": comparison.right.lanes if comparison.right else None,
        "verdict": comparison.verdict,
        "reason": comparison.reason,
        "key": [pair.columns[name] for name in views[0].table.key] if views else [],
        "columns": len(pair.columns),
        "compared_as": dict(pair.compared_as),
        "ignored": list(pair.ignored),
        "only_left": list(pair.only_left),
        "only_right": list(pair.only_right),
    }


def _url(settings: Settings, request: Request, name: str, text: str) -> URL:
    where = f"compare, the {name} URL"
    is_secret = is_reference(text)
    if is_secret:
        text = _resolved(settings, request, text)
        request.redactor.register(text)
    try:
        url = parse_database(text)
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
    reason = settings.core.insecure_reason
    refuse_open_way(url, where, 'insecure_reason = "..." in the profile', reason)
    if url.get_backend_name() in ("sqlite", "duckdb") and url.database:
        return url.set(database=str(settings.directory / url.database))
    return url


def _resolved(settings: Settings, request: Request, reference: str) -> str:
    value = builtin_secret(reference, settings.environment)
    if value is not None:
        return value
    # Another scheme is a plugin's.
    registry = registries.build(
        settings.core.plugins,
        environment=settings.environment,
        on_secret=request.redactor.register,
    )
    return registry.resolve(reference)


def _prepared(name: str, url: URL) -> Database:
    try:
        return open_database(url, "messy-migration")
    except ConfigurationError as error:
        raise _closed(name, url.render_as_string(hide_password=True), error) from error


@contextmanager
def _opened(name: str, database: Database) -> Iterator[tuple[Side, str]]:
    """A snapshot of one side, and what its server says it is."""
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(database.reader.reading(database.engine))
            with driver_errors_as_ours(database.label):
                server = database.reader.check(connection)
        except MigrationError as error:
            raise _closed(name, database.label, error) from error
        yield Side(connection, database.reader), server


def _closed(name: str, label: str, error: MigrationError) -> MigrationError:
    return _FAILURES[name](
        f"the {name} database cannot be opened",
        label,
        error.why or error.what,
        error.next or "check its URL and that it is there",
    )
