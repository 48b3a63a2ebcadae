"""Encoding C1, for plugins whose source computes the fingerprint of its rows itself.

A row becomes one text: the fields of its columns in declared order, joined by `|`. The first two
8-byte words of its SHA-256 are summed modulo 2^64 over all rows. A NULL is `~`. Of the others:

    text, json               length in UTF-8 bytes, `:`, the text
    bytes                    number of bytes, `:`, lower-case hexadecimal
    int16, int32, int64      decimal
    bool                     0 or 1
    decimal                  plain: no exponent, no trailing zeros of the fraction, no `-0`
    float64                  16 hexadecimal digits of the bits; 0.0 for -0.0, one NaN
    date                     8 hexadecimal digits: days since 2000-01-01, as int32
    timestamp                16 hexadecimal digits: microseconds since 2000-01-01 UTC, as int64
    uuid                     36 lower-case characters

PostgreSQL writes these texts, hashes and sums them in one statement. A source that cannot hash
gives the texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from messy_migration.databases.postgresql import encoding
from messy_migration.fingerprint.rows import NULL, fingerprint_texts
from messy_migration.model import Column, Fingerprint, Table

__all__ = ["NULL", "of_postgresql", "of_texts", "postgresql", "postgresql_fields"]

_ALIAS = "rows_of_source"


def postgresql(columns: Sequence[Column], rows: str) -> str:
    """A statement for PostgreSQL; `of_postgresql` reads the one row that it gives.

    Args:
        columns: of a stream.
        rows: a SELECT that gives these columns, by their names and in PostgreSQL's types: text
            for text and json, numeric for decimal, `timestamp with time zone` for timestamp.
    """
    return encoding.aggregate(Table("source", tuple(columns)), _ALIAS, f"({rows}) AS {_ALIAS}")


def of_postgresql(row: Sequence[int]) -> Fingerprint:
    """The fingerprint behind the answer to `postgresql`."""
    return encoding.to_fingerprint(*map(int, row))


def postgresql_fields(columns: Sequence[Column], rows: str) -> str:
    """A statement that gives the C1 field of every cell; arguments as of `postgresql`."""
    fields = encoding.fields(Table("source", tuple(columns)), _ALIAS)
    return f"SELECT {', '.join(fields)} FROM ({rows}) AS {_ALIAS}"


def of_texts(texts: Iterable[bytes]) -> Fingerprint:
    """The fingerprint of rows of which each is encoded as one text."""
    return fingerprint_texts(texts)
