"""What a user need not repeat: the last target of the folder, and what its ledger knows.

The target is that of a flag, a variable or the profile, else the one that a run in this folder
loaded last. Plugins, profile, `--sandbox` and seed come from its ledger where they were not
named. A ledger lies in a database that others may write, so its chain is verified first, and of
its texts only the names of installed plugins and of written profiles are used.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from messy_migration import discovery, logs
from messy_migration.api.preconditions import is_missing
from messy_migration.config import last_target
from messy_migration.config.settings import Settings
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.ledger import known_tables, runs, schema, stamps
from messy_migration.ledger.runs import Run
from messy_migration.run.anchors import audited
from messy_migration.run.options import SEED
from messy_migration.workspace import Request, Workspace, open_workspace

_SEEDED = "sandbox"
_PROFILE = "MIGRATE_PROFILE"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Known:
    """What the newest run of a ledger says.

    Attributes:
        profile: under which it ran.
        plugins: of it, and the owners of all tables, as they are written there.
        versions: plugin -> "distribution version", as they are written there.
        sandbox: the seed, where the target is a sandbox's.
    """

    profile: str
    plugins: tuple[str, ...]
    versions: Mapping[str, Any]
    sandbox: int | None


def recalled(request: Request) -> Request:
    """The request with the target that its folder last used, if it names none.

    Raises:
        ConfigurationError: what the folder remembers cannot be used.
    """
    settings = request.load()
    if settings.origins["target"] != "default":
        return request
    last = last_target.read(settings.directory)
    is_named = _names_profile(request, settings)
    if last is None or (is_named and last.profile != settings.profile):
        return request
    if last.profile != settings.profile and last.profile in settings.profiles:
        request = replace(request, profile=last.profile)
        settings = request.load()
        if settings.origins["target"] != "default":
            return request
    flags = {**request.flags, "target": last.target}
    if last.target_password and settings.core.target_password is None:
        flags["target_password"] = last.target_password
    logs.configure(settings.core.log_level, settings.core.log_format, request.redactor)
    if last.left_out and settings.core.target_password is None:
        _log.warning(
            "the target of the last run here is taken without its password, which is not kept:"
            " set MIGRATE_TARGET_PASSWORD if it needs one"
        )
    return replace(request, flags=flags)


def with_profile(request: Request) -> Request:
    """The request under the profile of the newest run, where none was named and it is written.

    Raises:
        ConfigurationError: settings are wrong.
        TargetError: the target cannot be read.
    """
    settings = request.load()
    if not _may_change_profile(request, settings):
        return request
    remembered = _known(request, unless=settings.profile)
    return request if remembered is None else _under(request, settings, remembered.profile)


def with_ledger(
    request: Request, sandbox: int | None, anchor: str | None = None
) -> tuple[Request, int | None]:
    """The request with profile and plugins of its ledger, and the seed of its sandboxes.

    Args:
        request: with its target.
        sandbox: the seed that was named, or None.
        anchor: a head that the chain must hold, in place of what is anchored here.

    Raises:
        ConfigurationError: settings are wrong.
        TargetError: the target cannot be read.
    """
    settings = request.load()
    if settings.core.plugins:
        return with_profile(request), sandbox
    remembered = _known(request, anchor)
    if remembered is None:
        return request, sandbox
    if _may_change_profile(request, settings):
        request = _under(request, settings, remembered.profile)
    if request.load().core.plugins:
        return request, sandbox
    plugins = _installed(remembered)
    if not plugins:
        return request, sandbox
    flags = {**request.flags, "plugins": plugins}
    return replace(request, flags=flags), remembered.sandbox if sandbox is None else sandbox


def where_unnamed(request: Request, sandbox: int | None) -> tuple[Request, int | None]:
    """What `reconcile` would take from folder and ledger, for a run that names no plugin.

    Raises:
        ConfigurationError: settings are wrong.
        TargetError: the target cannot be read.
    """
    if request.load().core.plugins:
        return request, sandbox
    return with_ledger(recalled(request), sandbox)


def _under(request: Request, settings: Settings, profile: str) -> Request:
    """The request under this profile, if it is written; its target is what was named before."""
    if profile == settings.profile or profile not in settings.profiles:
        return request
    flags = {**request.flags, "target": settings.core.target}
    return replace(request, profile=profile, flags=flags)


def _names_profile(request: Request, settings: Settings) -> bool:
    return request.profile is not None or _PROFILE in settings.environment


def _may_change_profile(request: Request, settings: Settings) -> bool:
    """No profile was named, the target does not come from one, and there is another one."""
    return (
        not _names_profile(request, settings)
        and settings.origins["target"].startswith("flag")
        and bool(settings.profiles - {settings.profile})
    )


def _known(request: Request, anchor: str | None = None, unless: str = "") -> Known | None:
    """What the ledger says, if it is what runs have written; a command goes on without it.

    Args:
        request: with its target.
        anchor: a head that the chain must hold.
        unless: the profile beside which nothing is wanted, so that nothing is verified.
    """
    workspace = open_workspace(request, needs_plugins=False)
    try:
        return None if is_missing(workspace.target) else _read(workspace, anchor, unless)
    finally:
        workspace.target.engine.dispose()


def _read(workspace: Workspace, anchor: str | None, unless: str) -> Known | None:
    target, ledger = workspace.target, workspace.ledger
    with (
        driver_errors_as_ours(f"target {target.label}"),
        target.dialect.reading(target.engine) as connection,
    ):
        if schema.version(connection) != schema.HEAD:
            return None
        newest = runs.history(connection, ledger, 1)
        if not newest or newest[0].profile == unless:
            return None
        audit = audited(workspace, connection, anchor, full=False)
        if audit.reasons:
            _log.warning("nothing is taken from the ledger, which is not what runs have written")
            return None
        return _of(connection, workspace, newest[0])


def _of(connection: Connection, workspace: Workspace, run: Run) -> Known:
    owners = {
        state.stream.partition(".")[0]: None
        for state in known_tables.all_states(connection, workspace.ledger).values()
    }
    seed: int | None = None
    if stamps.kind(connection, workspace.ledger) == "sandbox":
        written = run.options.get(_SEEDED)
        seed = written if isinstance(written, int) else SEED
    plugins = tuple(dict.fromkeys((*run.plugins, *owners)))
    return Known(run.profile, plugins, run.versions, seed)


def _installed(remembered: Known) -> list[str]:
    """The plugins of a ledger that are installed here, by their exact names."""
    installed = set(discovery.installed_names())
    for name in remembered.plugins:
        if name not in installed:
            written = remembered.versions.get(name, "")
            _log.warning(
                "the ledger names the plugin %r%s, which is not installed: rows of it that differ"
                " are counted, and cannot be named",
                name,
                f" ({written})" if written else "",
            )
    return [name for name in remembered.plugins if name in installed]
