"""What a table of a foreign database looks like in our words; public for plugins."""

from __future__ import annotations

from messy_migration.reflection.qualified import QUALIFIED
from messy_migration.reflection.tables import Reflected, reflect, table_names
from messy_migration.reflection.transport import refuse_open_way
from messy_migration.reflection.types import UNSIZED, column_type

__all__ = [
    "QUALIFIED",
    "UNSIZED",
    "Reflected",
    "column_type",
    "reflect",
    "refuse_open_way",
    "table_names",
]
