"""What a landed file says of its own stream, so that it can be read when no plugin offers it.

After a cutover the key of an API is withdrawn, and its plugin has no settings to declare streams
from. The file carries the declaration of its stream in the metadata of its Arrow schema, under
the digest that the ledger has of the whole file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from messy_migration.errors import ConfigurationError, SourceError
from messy_migration.ledger.known_tables import definition_of, definition_text
from messy_migration.ledger.receipts import scope_of, scope_text
from messy_migration.model import Column, ColumnType, Stream

_KEY = b"messy_migration.stream"


def metadata(stream: Stream) -> dict[bytes, bytes]:
    """The declaration of a stream, as its owner offers it, as metadata of an Arrow schema."""
    stream = stream.as_offered
    declared = {
        "name": stream.name,
        "tenant": stream.tenant,
        "bookmark": stream.bookmark,
        "settings": stream.settings,
        "depends_on": list(stream.depends_on),
        "record": [
            [column.name, str(column.type), column.required, column.loss, column.tolerance]
            for column in stream.record
        ],
        "tables": [
            [table.name, scope_text(table.scope), definition_text(table)] for table in stream.tables
        ],
    }
    return {_KEY: json.dumps(declared).encode()}


def stream_in(path: Path) -> Stream | None:
    """The stream that a landed file declares; None if it is of an older program.

    Args:
        path: of a file that is known to be what was landed.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        with pa.ipc.open_file(str(path)) as reader:
            written = (reader.schema.metadata or {}).get(_KEY)
        return None if written is None else _stream(json.loads(written))
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, ConfigurationError) as bad:
        raise SourceError(
            "a landed file cannot be read", path.name, f"of what it is says {type(bad).__name__}"
        ) from bad


def _stream(declared: dict[str, Any]) -> Stream:
    return Stream(
        declared["name"],
        tuple(
            definition_of(name, text, scope_of(scope)) for name, scope, text in declared["tables"]
        ),
        declared["tenant"],
        tuple(
            Column(name, ColumnType.parse(kind), *rest) for name, kind, *rest in declared["record"]
        ),
        declared["bookmark"],
        tuple(declared["depends_on"]),
        lands=True,
        settings=declared.get("settings"),
    )
