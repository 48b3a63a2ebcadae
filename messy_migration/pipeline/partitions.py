"""Which partitions a stream offers, and under which identity they become rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from graphlib import CycleError, TopologicalSorter

from messy_migration.config.row_settings import digest_of_rows
from messy_migration.errors import PluginError
from messy_migration.fingerprint.rows import format_id
from messy_migration.model import Partition, Stream
from messy_migration.pipeline.cut import Cutting
from messy_migration.registry import Registry
from messy_migration.workspace import Workspace

_CHANGES_ROWS = ("transform", "validate", "load")
_RESHAPE = "reshape"


def plan_id(workspace: Workspace, stream: Stream, cutting: Cutting) -> str:
    """Identifies what turns an input into rows: formats, plugins in order, and the cutting.

    An input may be replayed only under its own plan id. A plugin counts that owns the stream or
    may change its rows, with the settings by which it changes them; an observer does not.
    """
    registry = workspace.registry
    parts: list[object] = [
        [format_id(table) for table in stream.tables],
        [
            [name, registry.versions[name], *_rules(registry, name)]
            for name in registry.names
            if name == stream.plugin or _changes_rows(registry, stream, name)
        ],
        sorted(cutting.as_options().items()),
    ]
    lossy = [
        [table.name, column.name, column.loss]
        for table in stream.tables
        for column in table.columns
        if column.loss
    ]
    if lossy:
        parts.append(lossy)
    settled = [[table.name, table.conflict] for table in stream.tables if table.conflict]
    if settled:
        parts.append(settled)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _changes_rows(registry: Registry, stream: Stream, plugin: str) -> bool:
    return plugin in stream.reshaped_by or any(
        registry.implements(plugin, hook) for hook in _CHANGES_ROWS
    )


def _rules(registry: Registry, plugin: str) -> list[str]:
    """The digest of the settings by which a plugin changes rows, if its rules take any."""
    hooks = (*_CHANGES_ROWS, _RESHAPE)
    if not any(registry.takes_settings(plugin, hook) for hook in hooks):
        return []
    return [digest_of_rows(registry.sections.get(plugin))]


def ordered(streams: Sequence[Stream]) -> list[Stream]:
    """Parents before children; streams that depend on nothing keep their order."""
    return [stream for level in levels(streams) for stream in level]


def levels(streams: Iterable[Stream]) -> list[list[Stream]]:
    """The streams in groups; each group depends only on those before it."""
    by_name: dict[str, list[Stream]] = {}
    for stream in streams:
        by_name.setdefault(stream.name, []).append(stream)
    graph = {
        name: {parent for stream in group for parent in stream.depends_on if parent in by_name}
        for name, group in by_name.items()
    }
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        raise PluginError(
            "streams depend on each other in a circle", why=" -> ".join(error.args[1])
        ) from error
    waves = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=list(by_name).index)
        waves.append([stream for name in ready for stream in by_name[name]])
        sorter.done(*ready)
    return waves


def whole(stream: Stream, run_id: str) -> Partition:
    """A stream that is not cut: read whole and merged by each run, or, without a key, once."""
    has_key = all(table.key for table in stream.tables)
    text = f"{stream.label}\n{run_id if has_key else ''}"
    return Partition("all", hashlib.sha256(text.encode()).hexdigest())


def partitions(
    workspace: Workspace,
    stream: Stream,
    since: datetime | None,
    planned: Sequence[Partition] | None,
    records: int,
) -> list[Partition]:
    """The partitions that a stream offers now.

    Args:
        workspace: with its plugin.
        stream: which.
        since: its bookmark minus its overlap, or None.
        planned: what a resumed run planned and has not completed; None where nothing was.
        records: the most that one batch may hold.

    Raises:
        PluginError: the plugin breaks the contract of the hook.
    """
    registry = workspace.registry
    offered = registry.call_one(
        stream.plugin,
        "partitions",
        stream=stream.as_offered,
        since=since,
        planned=planned,
        records=records,
    )
    with registry.guard(stream.plugin, "partitions"):
        entries = list(offered or ())
    wrong = [type(entry).__name__ for entry in entries if not isinstance(entry, Partition)]
    if wrong:
        raise PluginError(
            "a plugin gave something that is no Partition",
            f"plugin {stream.plugin}, stream {stream.label}",
            f"it is a {wrong[0]}",
        )
    for what, why in (
        ("digest", "one of them would be taken for loaded"),
        ("name", "one of them would be taken for a newer version of the other"),
    ):
        if len({getattr(entry, what) for entry in entries}) < len(entries):
            raise PluginError(
                f"two partitions of a stream have the same {what}",
                f"plugin {stream.plugin}, stream {stream.label}",
                why,
            )
    return entries
