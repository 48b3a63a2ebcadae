"""A mapping file tells `migrate compare` what to compare, and the names on the right.

only = ["sales*", "orders"]
ignore = ["orders.note"]
[tables]
Orders = "orders_v2"
[columns]
"orders.total" = "amount"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from messy_migration.compare.matching import CompareOptions
from messy_migration.errors import ConfigurationError

_LISTS, _TABLES = ("only", "ignore"), ("tables", "columns")


def read_mapping(path: Path) -> CompareOptions:
    """What a mapping file asks for.

    Raises:
        ConfigurationError: it cannot be read, is not TOML, or holds what means nothing.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unusable(path, error.strerror or "I/O error") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _unusable(path, str(error)) from error
    _check(path, content)
    return CompareOptions(
        tuple(content.get("only", ())),
        dict(content.get("tables", {})),
        {_column(path, left): right for left, right in content.get("columns", {}).items()},
        tuple(_column(path, text) for text in content.get("ignore", ())),
    )


def merged(first: CompareOptions, second: CompareOptions) -> CompareOptions:
    """Both; where they say different things of one name, the second counts."""
    return CompareOptions(
        (*first.tables, *second.tables),
        {**first.tables_map, **second.tables_map},
        {**first.columns_map, **second.columns_map},
        (*first.ignored, *second.ignored),
    )


def _check(path: Path, content: Mapping[str, Any]) -> None:
    unknown = sorted(set(content) - {*_LISTS, *_TABLES})
    if unknown:
        raise _unusable(path, f"{unknown[0]!r} is not one of {', '.join((*_LISTS, *_TABLES))}")
    for name in _LISTS:
        if not _are_texts(content.get(name, [])):
            raise _unusable(path, f"{name} is a list of texts")
    for name in _TABLES:
        value = content.get(name, {})
        if not isinstance(value, dict) or not _are_texts(list(value.values())):
            raise _unusable(path, f"[{name}] holds names = texts")


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(one, str) and one for one in values)


def _column(path: Path, text: str) -> tuple[str, str]:
    table, _, column = text.rpartition(".")
    if not table or not column:
        raise _unusable(path, f"{text!r} is not TABLE.COLUMN")
    return table, column


def _unusable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError("the mapping file is not usable", str(path), why)
