"""Rows by the record they came from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from messy_migration.fingerprint.arrays import as_numbers, from_numbers
from messy_migration.model import RECORD


def numbers(data: pa.Table) -> list[int]:
    """The record of each row, in the order of the rows."""
    numbers_read: list[int] = as_numbers(data.column(RECORD), np.int32).tolist()
    return numbers_read


def present(tables: Iterable[pa.Table]) -> set[int]:
    """The records that have a row in any of the tables."""
    return {record for data in tables for record in numbers(data)}


def count(tables: Iterable[pa.Table]) -> int:
    """How many records have a row in any of the tables."""
    parts = [as_numbers(data.column(RECORD), np.int32) for data in tables]
    return int(np.count_nonzero(np.bincount(np.concatenate(parts)))) if parts else 0


def only(data: pa.Table, records: Iterable[int]) -> pa.Table:
    """The rows of some records."""
    return data.filter(_among(data, records))


def without(data: pa.Table, records: Iterable[int]) -> pa.Table:
    """The rows of all other records."""
    gone = set(records)
    return data.filter(pc.invert(_among(data, gone))) if gone else data


def _among(data: pa.Table, records: Iterable[int]) -> pa.BooleanArray:
    chosen = from_numbers(np.fromiter(sorted(records), np.int32), pa.int32())
    return pc.is_in(data.column(RECORD), value_set=chosen)
