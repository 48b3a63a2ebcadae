"""Read a partition: from its source through the plugin, or from the file in which it landed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from messy_migration.errors import (
    PluginError,
    SourceError,
)
from messy_migration.ledger import landings
from messy_migration.model import Extracted, Partition, Stream, stream_label
from messy_migration.pipeline import landing
from messy_migration.pipeline.cut import Cut, Cutting, cut
from messy_migration.pipeline.declared import stream_in
from messy_migration.streams import reshaped
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
    identity = (stream.name, stream.tenant, partition.digest)
    landed = workspace.retry(lambda: False).call(lambda: landed_at(workspace, *identity))
    if landed is None:
        raise SourceError("a partition has not landed", f"stream {stream.label}, {partition.name}")
    return landing.read(landed, stream)


def landed_at(workspace: Workspace, *identity: str) -> landings.Landed | None:
    """The file in which a partition landed: stream, tenant and digest.

    Raises:
        SourceError: it lies where no run of this folder lands anything.
    """
    with workspace.target.dialect.reading(workspace.target.engine) as connection:
        landed = landings.find(connection, workspace.ledger, *identity)
    return None if landed is None else at_home(workspace, landed)


def declared_stream(workspace: Workspace, name: str, tenant: str) -> Stream | None:
    """A stream as the newest of its landed files declares it; None if nothing of it landed.

    Raises:
        SourceError: the file is gone, was changed, or lies outside of the working folder.
    """
    with workspace.target.dialect.reading(workspace.target.engine) as connection:
        landed = landings.newest(connection, workspace.ledger, name, tenant)
    if landed is None:
        return None
    label = stream_label(name, tenant)
    declared = stream_in(landing.unchanged(at_home(workspace, landed), label))
    return None if declared is None else reshaped(workspace.registry, declared)


def as_landed(workspace: Workspace, stream: Stream, partition: Partition) -> Stream:
    """The landed file of a partition gives its stream the settings that it was read with.

    Raises:
        SourceError: the file is gone, was changed, or lies outside of the working folder.
    """
    landed = landed_at(workspace, stream.name, stream.tenant, partition.digest)
    if landed is None:
        return stream
    declared = stream_in(landing.unchanged(landed, stream.label))
    return stream if declared is None else replace(stream, settings=declared.settings)


def at_home(workspace: Workspace, landed: landings.Landed) -> landings.Landed:
    """A landed file under the path at which it may be read.

    The path comes from the ledger, which others may write. It is followed into the working folder
    and into the folder that `landing` names, and nowhere else; of a working folder that was moved
    as a whole, the file is looked for under its name.

    Raises:
        SourceError: it lies elsewhere.
    """
    settings = workspace.settings
    folder = settings.directory / settings.core.landing
    homes = (settings.directory.resolve(), folder.resolve())
    moved = folder.absolute() / Path(landed.path).name
    for path in (Path(landed.path), moved):
        is_home = any(path.resolve().is_relative_to(home) for home in homes)
        if is_home and (path is not moved or path.is_file()):
            return replace(landed, path=str(path))
    raise SourceError(
        "a landed file lies outside of the working folder",
        landed.path,
        "its path comes from the ledger, and is not followed from here",
        "set `landing` in the profile to its folder, if that is meant",
    )


def extracted_items(
    workspace: Workspace, stream: Stream, partition: Partition
) -> Iterator[Extracted]:
    """What the plugin's `extract` yields; whatever it raises names the plugin."""
    registry = workspace.registry
    answer = registry.call_one(
        stream.plugin,
        "extract",
        stream=stream.as_offered,
        partition=partition,
    )
    if answer is None:
        raise PluginError(
            "a plugin offers a stream and does not extract it",
            f"plugin {stream.plugin}, stream {stream.label}",
        )
    with registry.guard(stream.plugin, "extract"):
        iterator = iter(answer)
    while True:
        try:
            with registry.guard(stream.plugin, "extract"):
                entry: Any = next(iterator, _END)
        except GeneratorExit as error:
            raise PluginError(
                "a plugin ended its own generator",
                f"plugin {stream.plugin}, stream {stream.label}",
                "extract raised GeneratorExit",
            ) from error
        if entry is _END:
            return
        yield entry
