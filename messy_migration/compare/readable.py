"""C1 fields as people write them."""

from __future__ import annotations

import struct

import numpy as np

from messy_migration.model import Table


def readable(table: Table, name: str, cell: bytes) -> str:
    """A C1 field as a person would write it: text without its length, instants as such."""
    text = cell.decode("utf-8", "replace")
    kind = table.column(name).type.kind
    if text.startswith(("~", "!")):
        return "NULL" if text == "~" else _misfit(text, kind)
    if kind in ("text", "json", "bytes"):
        return text.partition(":")[2]
    if kind == "bool":
        return {"1": "true", "0": "false"}.get(text, text)
    try:
        if kind == "float64":
            return repr(struct.unpack(">d", bytes.fromhex(text))[0])
        if kind == "timestamp":
            moment = np.datetime64("2000-01-01", "us") + _signed(text, 64)
            return f"{moment}Z"
        if kind == "date":
            return str(np.datetime64("2000-01-01", "D") + _signed(text, 32))
    except (ValueError, struct.error):
        return text
    return text


def _misfit(text: str, kind: str) -> str:
    """What somebody stored that is no value of the declared type, as it is stored."""
    storage, _, content = text[1:].partition(":")
    if storage in ("", "text"):
        try:
            content = bytes.fromhex(content).decode("utf-8", "replace")
        except ValueError:
            return text
    return f"{content} ({f'stored as {storage}, ' if storage else ''}no {kind})"


def _signed(text: str, bits: int) -> int:
    value = int(text, 16)
    return value - (1 << bits) if value >> (bits - 1) else value
