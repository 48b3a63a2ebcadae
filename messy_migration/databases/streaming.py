"""Rows whose C1 text a database can write only in part: fetched in pieces, finished here.

A database computes the fields that it can, neighbours joined to one piece; a column of a kind
that it cannot encode (JSON) comes as it is stored and is encoded here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from messy_migration.errors import TargetError
from messy_migration.fingerprint.json import canonical_json
from messy_migration.model import Table

NULL = b"~"


@dataclass(frozen=True, slots=True)
class Piece:
    """An expression of a SELECT: finished fields, or a stored document or NULL."""

    expression: str
    is_stored: bool


def each_field(table: Table, fields: Sequence[str], kinds: Collection[str]) -> list[Piece]:
    """A piece for each column.

    Args:
        table: whose rows are fetched.
        fields: an SQL expression for each of its columns.
        kinds: the kinds of columns that come as they are stored.
    """
    return [
        Piece(field, column.type.kind in kinds)
        for column, field in zip(table.columns, fields, strict=True)
    ]


def joined_fields(pieces: Iterable[Piece], joined: Callable[[list[str]], str]) -> list[Piece]:
    """As few pieces as possible; `joined` makes one expression of several finished fields."""
    spliced: list[Piece] = []
    for is_stored, group in groupby(pieces, key=lambda piece: piece.is_stored):
        members = list(group)
        one = Piece(joined([piece.expression for piece in members]), is_stored=False)
        spliced += members if is_stored else [one]
    return spliced


def finished(
    table: Table, pieces: Sequence[Piece], chunks: Iterable[Iterable[Sequence[bytes | None]]]
) -> Iterator[list[tuple[bytes, ...]]]:
    """The rows with every piece encoded, chunk by chunk.

    Raises:
        TargetError: the database could not compute a piece, because the row is too long for it.
    """
    stored = [piece.is_stored for piece in pieces]
    for chunk in chunks:
        yield [
            tuple(
                _document(cell) if is_stored else _computed(table, cell)
                for cell, is_stored in zip(row, stored, strict=True)
            )
            for row in chunk
        ]


def _computed(table: Table, cell: bytes | None) -> bytes:
    if cell is None:
        raise too_long(table, 1)
    return cell


def _document(cell: bytes | None) -> bytes:
    if cell is None:
        return NULL
    try:
        text = canonical_json(cell.decode()).encode()
    except ValueError:
        # No document, or none that a jsonb could hold: its own text, which no canonical one is.
        text = cell
    return b"%d:%b" % (len(text), text)


def too_long(table: Table, rows: int) -> TargetError:
    """Rows that the server cannot put together as one text."""
    return TargetError(
        "rows are too long to be proven in the database",
        f"table {table.name}",
        f"{rows:,} rows are longer than max_allowed_packet",
        "raise max_allowed_packet on the server",
    )
