"""Take a target over: server, ledger, epoch, and the run that is begun or resumed."""

from __future__ import annotations

import logging
import os
import platform
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version

from sqlalchemy import Connection

from messy_migration.config import last_target
from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.retry import Retry
from messy_migration.errors import ConfigurationError, Locked, MigrationError, UsageProblem
from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger import clock, fence, runs, schema, stamps
from messy_migration.ledger.fence import Holder
from messy_migration.ledger.lanes import Lane, Signature
from messy_migration.ledger.runs import Kept, Run, short
from messy_migration.model import Stream
from messy_migration.model.event import tell
from messy_migration.model.events import RunResumed, RunStarted
from messy_migration.pipeline.cut import Cutting
from messy_migration.pipeline.earlier_plans import kept_now
from messy_migration.run.anchors import begin_anew, start_chain
from messy_migration.run.events import RunEvents
from messy_migration.run.keying import signing_key
from messy_migration.run.lock import RunLock
from messy_migration.run.options import RunOptions
from messy_migration.run.provenance import actor
from messy_migration.run.state import RunState
from messy_migration.workers.task import Briefing
from messy_migration.workspace import Request, Workspace, open_workspace

_log = logging.getLogger(__name__)

_SINCE, _SEED = "since", "sandbox"
"""Of the options of a run that the ledger keeps: where it began to read, and of what sandbox."""


def new_run_id() -> str:
    """A UUID of version 7 (RFC 9562): sorts by the time of its making."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


@contextmanager
def opened(request: Request, events: RunEvents) -> Iterator[Workspace]:
    """The workspace of a run, whose observers hear its events; closed when the block ends."""
    workspace = open_workspace(request, application=f"mm:{request.run_id}", keep=True)
    events.observe(workspace.registry)
    try:
        with workspace.releasing():
            yield workspace
    finally:
        workspace.target.engine.dispose()


def locked(workspace: Workspace, retry: Retry) -> Locked:
    """The error that names who holds the target."""
    who, holder = "", None
    with suppress(MigrationError):
        who, holder = retry.call(lambda: _holders(workspace))
    # The heartbeat of a run that has just begun may still be that of the one before it.
    if holder and (not who or f"process {holder.pid}" in who):
        who = (
            f"run {short(holder.run_id)} on {holder.host}, process {holder.pid},"
            f" since {holder.started_at}"
        )
    return Locked(
        "another run holds the target",
        workspace.target.label,
        who or "it has not told its name yet",
        "wait for it (`migrate status`), or end it and type the same command again",
    )


def _holders(workspace: Workspace) -> tuple[str, Holder | None]:
    """Who holds the target, as the server says, and as the last heartbeat says."""
    target = workspace.target
    with driver_errors_as_ours(f"target {target.label}"):
        who = target.dialect.holder(target.engine)
        with target.dialect.reading(target.engine) as connection:
            if schema.version(connection) != schema.HEAD:
                return who, None
            return who, fence.holder(connection, workspace.ledger)


def open_run(
    workspace: Workspace,
    run_id: str,
    streams: list[Stream],
    options: RunOptions,
    lock: RunLock,
    retry: Retry,
    events: RunEvents,
) -> RunState:
    """Take the target over, and find the run that is to be resumed or begin a new one.

    Called again after a connection died, it finds what the first call left.

    Raises:
        TargetError: the target cannot be used.
        ConfigurationError: it is a sandbox's and the run is not, or the reverse.
    """
    server = _check_server(workspace, run_id)
    key, is_new_ledger = _open_ledger(workspace, run_id, options)
    lane = Lane()
    with workspace.target.engine.begin() as connection:
        epoch = fence.raise_epoch(connection, workspace.ledger)
        earlier = resumable(connection, workspace, options)
        kept = kept_now(workspace.registry)
        if earlier is not None and (earlier.run_id == run_id or not options.is_restart):
            options = as_begun(earlier, options)
            run = earlier.keeping(kept)
        else:
            run = _new_run(workspace, run_id, options, server, kept)
        signature = Signature(run.run_id, epoch, os.getpid(), clock.now(), lane, key)
        stamp = stamps.stamp(connection, workspace.ledger, signature, _kind(options))
        _check_stamp(stamp, workspace, options)
        if earlier is None or earlier.run_id != run.run_id:
            runs.add(connection, workspace.ledger, signature, run)
        holder = Holder(run.run_id, socket.gethostname(), os.getpid(), clock.now(), "")
        fence.beat(connection, workspace.ledger, holder)
    lane.settle()
    _remember(workspace)
    lock.epoch = epoch
    events.name_run(run.run_id)
    return RunState(
        workspace,
        options,
        run,
        _brief(workspace, run, epoch, key),
        holder,
        lock,
        retry,
        run.run_id != run_id,
        streams,
        events,
        lane=lane,
        is_new_ledger=is_new_ledger,
        key=key,
    )


def _check_server(workspace: Workspace, run_id: str) -> str:
    """The version of the target's server, of which nothing of an earlier run is left."""
    target = workspace.target
    with target.engine.begin() as connection:
        server = target.dialect.check(connection)
        target.dialect.check_writable(connection)
        target.dialect.end_others(connection, f"mm:{run_id}")
    target.dialect.ready(target.engine)
    return server


def _open_ledger(workspace: Workspace, run_id: str, options: RunOptions) -> tuple[Key | None, bool]:
    """Make or upgrade the ledger; the key that signs in it, and whether it is new."""
    with workspace.target.engine.begin() as connection:
        revision = schema.version(connection)
        if revision is None:
            begin_anew(workspace)
        schema.upgrade(connection)
        if revision is not None and revision < schema.SEALED:
            older = Signature(run_id, 0, os.getpid(), clock.now())
            start_chain(connection, workspace, older, options.anchor)
        return signing_key(connection, workspace, options), revision is None


def _selection(options: RunOptions) -> tuple[str, ...]:
    return runs.selection_of(options.selection, options.tenants)


def resumable(connection: Connection, workspace: Workspace, options: RunOptions) -> Run | None:
    """The open run of the same profile, plugins and selection."""
    profile, names = workspace.settings.profile, workspace.registry.names
    return runs.find_open(connection, workspace.ledger, profile, names, _selection(options))


def as_begun(run: Run, options: RunOptions) -> RunOptions:
    """The options of a run that is resumed: what it reads was said when it began.

    Raises:
        UsageProblem: now it is to begin elsewhere.
    """
    written = run.options.get(_SINCE)
    since = datetime.fromisoformat(written) if written else None
    if options.since not in (None, since):
        begun = f"with --since {written}" if written else "without it"
        raise UsageProblem(
            f"--since is not that of the open run {short(run.run_id)}",
            why=f"it began {begun}, and goes on so",
            next="leave --since out, or add --restart to begin anew",
        )
    if options.sandbox != run.options.get(_SEED):
        raise UsageProblem(
            f"the open run {short(run.run_id)} reads another sandbox",
            why=f"it began with the seed {run.options.get(_SEED)}",
            next="give it the same seed, or add --restart to begin anew",
        )
    return replace(options, since=since)


def _new_run(
    workspace: Workspace, run_id: str, options: RunOptions, server: str, kept: Kept
) -> Run:
    """A run that begins now.

    Args:
        workspace: of the run.
        run_id: its id.
        options: what it is asked to do.
        server: the version of the target's server.
        kept: versions and settings of its plugins.
    """
    core = workspace.settings.core
    return Run(
        run_id=run_id,
        profile=workspace.settings.profile,
        plugins=workspace.registry.names,
        selection=_selection(options),
        state="open",
        options={
            **Cutting(core.batch_records, core.batch_bytes).as_options(),
            **({} if options.sandbox is None else {_SEED: options.sandbox}),
            **({} if options.since is None else {_SINCE: options.since.isoformat()}),
        },
        versions={
            "messy-migration": version("messy-migration"),
            "python": platform.python_version(),
            "target": server,
            **workspace.registry.versions,
        },
        host=socket.gethostname(),
        pid=os.getpid(),
        actor=actor(),
        started_at=clock.now(),
    ).begun(kept, is_restart=options.is_restart)


def _brief(workspace: Workspace, run: Run, epoch: int, key: Key | None) -> Briefing:
    """What every worker of the run is told."""
    request = workspace.request.for_workers(workspace.settings.digest)
    return Briefing(
        replace(request, run_id=run.run_id),
        run.run_id,
        epoch,
        frozenset(),
        Cutting.of_options(run.options),
        key_id=key.id if key else "",
    )


def write_down(state: RunState, connection: Connection) -> None:
    """Write down under what the run goes on.

    Not before the ledger is known to be what runs have written: it changes a row that is sealed.
    """
    ledger, run = state.workspace.ledger, state.run
    (known,) = runs.find(connection, ledger, run.run_id)
    if known.options != run.options:
        runs.keep(connection, ledger, state.signature(), run)


def say_begun(state: RunState) -> None:
    """The run has its id and holds its target."""
    kind = RunResumed if state.resumed else RunStarted
    tell(
        kind(
            target=state.workspace.target.label,
            profile=state.run.profile,
            plugins=state.run.plugins,
            streams=tuple(stream.label for stream in state.streams),
        )
    )


def _remember(workspace: Workspace) -> None:
    """Later commands in this folder need no --target; without that the run is no less right."""
    try:
        last_target.write(workspace.settings)
    except OSError as error:
        _log.warning("this folder cannot remember its target: %s", error.strerror)


def _kind(options: RunOptions) -> str:
    return "real" if options.sandbox is None else "sandbox"


def _check_stamp(kind: str, workspace: Workspace, options: RunOptions) -> None:
    if kind == _kind(options):
        return
    raise ConfigurationError(
        f"the target belongs to {'a sandbox' if kind == 'sandbox' else 'real data'}",
        workspace.target.label,
        "sandbox data and real data never share a target",
        "name another --target",
    )
