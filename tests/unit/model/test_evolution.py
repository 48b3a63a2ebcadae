"""Which columns nobody has read as they are now."""

from __future__ import annotations

import pytest

from messy_migration.model import Column, ColumnType, Table
from messy_migration.model.evolution import gained


def table(**types):
    columns = [Column(name, ColumnType.parse(kind)) for name, kind in types.items()]
    return Table("t", tuple(columns))


@pytest.mark.parametrize(
    "before, now, unread",
    [
        ({"a": "text"}, {"a": "text"}, []),
        ({"a": "text"}, {"a": "text", "b": "text"}, ["b"]),
        ({"a": "text", "b": "text"}, {"a": "text"}, []),
        ({"a": "text", "b": "text"}, {"b": "text", "a": "text"}, []),
        ({"a": "int16"}, {"a": "int32"}, []),
        ({"a": "int16"}, {"a": "int64"}, []),
        ({"a": "int32"}, {"a": "int64"}, []),
        ({"a": "int64"}, {"a": "int32"}, ["a"]),
        ({"a": "int32"}, {"a": "text"}, ["a"]),
        ({"a": "int32"}, {"a": "decimal(10,0)"}, ["a"]),
        ({"a": "decimal(6,2)"}, {"a": "decimal(8,2)"}, []),
        ({"a": "decimal(6,2)"}, {"a": "decimal(8,4)"}, []),
        ({"a": "decimal(6,2)"}, {"a": "decimal(7,4)"}, ["a"]),
        ({"a": "decimal(8,2)"}, {"a": "decimal(6,2)"}, ["a"]),
        ({"a": "date"}, {"a": "timestamp"}, ["a"]),
    ],
)
def test_a_column_that_came_or_changed_its_type_is_unread(before, now, unread):
    assert gained(table(**before), table(**now)) == unread
