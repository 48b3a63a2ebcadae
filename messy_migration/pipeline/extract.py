"""Read a partition: from its source through the plugin, or from the file in which it landed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from messy_migration.errors import (
    PluginError,
    SourceError,
)
from messy_migration.ledger import landings
from messy_migration.model import Extracted, Partition, Stream
from messy_migration.pipeline import landing
from messy_migration.pipeline.cut import Cut, Cutting, cut
from messy_migration.workspace import Workspace

_END = object()


def cuts(
    workspace: Workspace, cutting: Cutting, stream: Stream, partition: Partition
) -> Generator[Cut]:
    """The batches of a partition, cut the same way every time."""
    limit = min(cutting.records, workspace.target.dialect.batch_records)
    return cut(_items(workspace, stream, partition), limit, cutting.bytes)


def _items(workspace: Workspace, stream: Stream, partition: Partition) -> Iterator[Extracted]:
    """The records of a partition: from the file in which it landed, or from its source."""
    if not stream.lands:
        return extracted_items(workspace, stream, partition)
    place = (stream.name, stream.tenant, partition.digest)
    landed = workspace.patience(lambda: False).persist(lambda: landed_at(workspace, *place))
    if landed is None:
        raise SourceError("a partition has not landed", f"stream {stream.label}, {partition.name}")
    return landing.read(landed, stream)


def landed_at(workspace: Workspace, *place: str) -> landings.Landed | None:
    """The file in which a partition landed: stream, tenant and digest."""
    with workspace.target.dialect.reading(workspace.target.engine) as connection:
        return landings.find(connection, workspace.ledger, *place)


def extracted_items(
    workspace: Workspace, stream: Stream, partition: Partition
) -> Iterator[Extracted]:
    """What the plugin's `extract` yields; whatever it raises names the plugin."""
    registry = workspace.registry
    items = registry.call_one(
        stream.plugin,
        "extract",
        stream=stream.as_offered,
        partition=partition,
    )
    if items is None:
        raise PluginError(
            "a plugin offers a stream and does not extract it",
            f"plugin {stream.plugin}, stream {stream.label}",
        )
    with registry.guard(stream.plugin, "extract"):
        iterator = iter(items)
    while True:
        try:
            with registry.guard(stream.plugin, "extract"):
                item: Any = next(iterator, _END)
        except GeneratorExit as error:
            raise PluginError(
                "a plugin ended its own generator",
                f"plugin {stream.plugin}, stream {stream.label}",
                "extract raised GeneratorExit",
            ) from error
        if item is _END:
            return
        yield item
