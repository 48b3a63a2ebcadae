"""The shop's orders for every test of the room."""

from __future__ import annotations

from ..shop import (
    golden,
    golden_batches,
    golden_postgres,
    in_batches,
    loaded,
    on_postgres,
    shop,
)

__all__ = [
    "golden",
    "golden_batches",
    "golden_postgres",
    "in_batches",
    "loaded",
    "on_postgres",
    "shop",
]
