"""What turns an input into rows, and the name of it: the plan id.

An input may be replayed only under its own plan id. A plugin counts that owns the stream or may
change its rows, with the settings by which it does; an observer does not.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from messy_migration.config.row_settings import digest_of_rows
from messy_migration.fingerprint.rows import format_id
from messy_migration.model import Stream
from messy_migration.pipeline.cut import Cutting
from messy_migration.registry import Registry
from messy_migration.workspace import Workspace

_CHANGES_ROWS = ("transform", "validate", "load")
_RESHAPE = "reshape"


@dataclass(frozen=True)
class Basis:
    """What a plan id stands for.

    Attributes:
        tables: what the rows look like: formats, losses, and how conflicts are settled.
        source: what is extracted: the owner's name, version, and a digest of its settings.
        rules: of each plugin that may change rows, the same.
        cutting: the bounds of a batch.
    """

    tables: tuple[Any, ...]
    source: tuple[str, ...]
    rules: tuple[tuple[str, ...], ...]
    cutting: Cutting

    @property
    def id(self) -> str:
        """The plan id: 16 hexadecimal digits."""
        formats, *rest = self.tables
        plugins = [
            [*rule, *(self.source[2:] if rule[0] == self.source[0] else ())] for rule in self.rules
        ]
        parts = [formats, plugins, sorted(self.cutting.as_options().items()), *rest]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def former(self) -> str:
        """The plan id as older programs made it: without the settings of the stream's owner."""
        return replace(self, source=self.source[:2]).id


def basis(workspace: Workspace, stream: Stream, cutting: Cutting) -> Basis:
    """What turns records of a stream into rows."""
    registry = workspace.registry
    formats = [format_id(table) for table in stream.tables]
    lossy = [
        [table.name, column.name, column.loss]
        for table in stream.tables
        for column in table.columns
        if column.loss
    ]
    settled = [[table.name, table.conflict] for table in stream.tables if table.conflict]
    own = (digest_of_rows(stream.settings),) if stream.settings else ()
    owner = stream.plugin
    return Basis(
        (formats, *([lossy] if lossy else ()), *([settled] if settled else ())),
        (owner, registry.versions.get(owner, ""), *own),
        tuple(
            (name, registry.versions[name], *_rules(registry, name))
            for name in registry.names
            if name == owner or _changes_rows(registry, stream, name)
        ),
        cutting,
    )


def plan_id(workspace: Workspace, stream: Stream, cutting: Cutting) -> str:
    """Identifies what turns an input into rows: formats, plugins in order, and the cutting."""
    return basis(workspace, stream, cutting).id


def _changes_rows(registry: Registry, stream: Stream, plugin: str) -> bool:
    return plugin in stream.reshaped_by or any(
        registry.implements(plugin, hook) for hook in _CHANGES_ROWS
    )


def _rules(registry: Registry, plugin: str) -> list[str]:
    """The digest of the settings by which a plugin changes rows, if its rules take any."""
    hooks = (*_CHANGES_ROWS, _RESHAPE)
    if not any(registry.takes_settings(plugin, hook) for hook in hooks):
        return []
    return [digest_of_rows(registry.sections.get(plugin), registry.secrets)]
