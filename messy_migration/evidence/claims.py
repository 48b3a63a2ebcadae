"""What a form of the proof claims: against accident, against another program, against a forger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TOLD = {
    "ledger": (
        (
            "Against accident: every row was summed as it stands and held against what was sent; a "
            "lost, doubled or altered row is found."
        ),
        (
            "Against another program: PostgreSQL tells who wrote each row, and MATCH says how many "
            "rows others wrote; other databases do not tell it."
        ),
        (
            "Against a forger: the sums have no key, so rows can be made that add up to them. On "
            "PostgreSQL it is said that another transaction wrote them; value by value (--against "
            "landed) finds them; a head kept elsewhere finds an edited ledger."
        ),
    ),
    "values": (
        (
            "Against accident: every value was held against what was read; a lost, doubled or "
            "altered row is found and named."
        ),
        "Against another program: its changes are differences, whoever made them.",
        (
            "Against a forger: whoever can write the target alone is found; whoever can also write "
            "what it is held against (landed files, the source) is not."
        ),
    ),
}


def claims(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Three lines on what the form of a proof stands for."""
    return _TOLD["ledger" if document.get("against", "ledger") == "ledger" else "values"]
