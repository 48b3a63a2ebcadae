"""Where a row is written, as far as PostgreSQL tells: the server, its timeline, the table's file.

The number of a transaction means something there only. Other kinds of databases number none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

_MAY = text(
    "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
    " AND pg_catalog.has_function_privilege('pg_catalog.pg_control_checkpoint()', 'EXECUTE')"
)
_SERVER = text(
    "SELECT s.system_identifier, c.timeline_id, CASE WHEN NOT pg_catalog.pg_is_in_recovery()"
    " THEN pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) END"
    " FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c"
)
_FILE_NODES = text(
    "SELECT pg_catalog.pg_relation_filenode(pg_catalog.to_regclass(n))::pg_catalog.text"
    " FROM pg_catalog.unnest(CAST(:names AS pg_catalog.text[])) WITH ORDINALITY u(n, place)"
    " ORDER BY place"
)


@dataclass(frozen=True)
class Place:
    """Where a transaction's number is valid; elsewhere another transaction has it.

    Attributes:
        server: identifier of the cluster and its timeline; None where it may not be asked.
        file_node: the file that holds the table's rows; a rewritten table has another one.
    """

    server: str | None
    file_node: str | None


def server(connection: Connection) -> str | None:
    """Identifier and timeline of the server, asked once for each connection to it."""
    if connection.dialect.name != "postgresql":
        return None
    info = connection.info
    if "mm_server" not in info:
        info["mm_server"] = _asked(connection)
    server_id: str | None = info["mm_server"]
    return server_id


def file_nodes(connection: Connection, tables: Sequence[str]) -> dict[str, str | None]:
    """Table, found along the role's own path -> the file that holds its rows."""
    if connection.dialect.name != "postgresql" or not tables:
        return {}
    nodes = _file_nodes(connection, ['"' + table.replace('"', '""') + '"' for table in tables])
    return dict(zip(tables, nodes, strict=True))


def place(connection: Connection, full: str) -> Place:
    """Where the rows of a table are now, by its quoted name with its schema."""
    return Place(server(connection), *_file_nodes(connection, [full]))


def _file_nodes(connection: Connection, names: Sequence[str]) -> list[str | None]:
    return list(connection.execute(_FILE_NODES, {"names": list(names)}).scalars())


def _asked(connection: Connection) -> str | None:
    if not connection.execute(_MAY).scalar_one():
        return None
    identifier, timeline, segment = connection.execute(_SERVER).one()
    # The control file learns of a promotion some seconds late, the name of the log does not.
    return f"{identifier}/{int(segment[:8], 16) if segment else timeline}"
