"""Which partitions a stream offers, and which streams come before which."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from graphlib import CycleError, TopologicalSorter

from messy_migration.errors import PluginError
from messy_migration.model import Partition, Stream
from messy_migration.workspace import Workspace


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
