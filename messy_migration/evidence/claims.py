"""What a form of the proof claims: against accident, against another program, against a forger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ACCIDENT = (
    "Against accident: every row was summed as it stands and held against what was sent; a "
    "lost, doubled or altered row is found."
)
_PROGRAM = (
    "Against another program: PostgreSQL tells who wrote each row, and MATCH says how many "
    "rows others wrote; other databases do not tell it."
)
_FORGER = (
    "Against a forger: the sums have no key, so rows can be made that add up to them. On "
    "PostgreSQL it is said that another transaction wrote them; value by value (--against "
    "landed) finds them; a head kept elsewhere finds an edited ledger."
)
_FORGER_KEYED = (
    "Against a forger: every row was read back and summed again under the fingerprint_key "
    "{key_id}, and every receipt since it counts carries its MAC; without the key no row, receipt "
    "or link can be made that fits. A head kept elsewhere finds data and ledger that were both "
    "set back to an older state."
)
_FORGER_PARTLY = (
    "Against a forger: {tables} of {of} tables were read back and summed again under the "
    "fingerprint_key {key_id}, and no row of them can be forged without the key. The sums of the "
    "others have no key, so rows can be made that add up to them."
)
_VALUES = (
    (
        "Against accident: every value was held against what was read; a lost, doubled or "
        "altered row is found and named."
    ),
    "Against another program: its changes are differences, whoever made them.",
    (
        "Against a forger: whoever can write the target alone is found; whoever can also write "
        "what it is held against (landed files, the source) is not."
    ),
)


def claims(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Three lines on what the form of a proof stands for."""
    if document.get("against", "ledger") != "ledger":
        return _VALUES
    keyed = document.get("keyed")
    if not keyed:
        return _ACCIDENT, _PROGRAM, _FORGER
    is_whole = keyed["tables"] == keyed["of"]
    forger = _FORGER_KEYED if is_whole else _FORGER_PARTLY
    return _ACCIDENT, _PROGRAM, forger.format(**keyed)
