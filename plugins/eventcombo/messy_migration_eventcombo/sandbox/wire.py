"""How a document of the sandbox looks on the wire: exact numbers, wrappers, the case of keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

Case = Literal["pascal", "camel"]


def json_text(value: object) -> str:
    """JSON in which a Decimal is a number with all of its digits."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(key)}:{json_text(entry)}" for key, entry in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def wrap(records: list[object], path: str, totals: Mapping[str, int], case: Case) -> object:
    """The records at a dotted place, with totals beside the list."""
    document: object = records
    for depth, name in enumerate(reversed(path.split(".") if path else [])):
        document = {name: document, **totals} if depth == 0 else {name: document}
    if path.startswith("Result") and isinstance(document, dict):
        document = {"Success": True, **document}
    elif path.startswith("Data") and isinstance(document, dict):
        document = {"Version": "1.0", "StatusCode": 200, **document}
    return cased(document, case)


def cased(value: object, case: Case) -> object:
    """The document with all keys in the given case."""
    if case == "pascal":
        return value
    if isinstance(value, Mapping):
        return {key[:1].lower() + key[1:]: cased(entry, case) for key, entry in value.items()}
    if isinstance(value, list):
        return [cased(entry, case) for entry in value]
    return value
