"""All attacks and accidents, in one list."""

from __future__ import annotations

from . import (
    files,
    ledgers,
    others,
    policies,
    rows,
    settings,
    shadowing,
    stand_ins,
    tables,
    writers,
)

ENTRIES = [
    entry
    for theme in (
        *(rows, settings, policies, stand_ins, shadowing),
        *(tables, writers, ledgers, files, others),
    )
    for entry in theme.ENTRIES
]
