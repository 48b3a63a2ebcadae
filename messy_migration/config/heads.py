"""The beginning of a head as somebody gives it by hand."""

from __future__ import annotations

import re

from messy_migration.errors import UsageProblem

SHORTEST = 12
"""The fewest characters that tell heads apart."""
_HEX = re.compile("[0-9a-f]+")


def given_head(text: str | None) -> str | None:
    """The beginning of a head, in small letters; None where none is given.

    Raises:
        UsageProblem: it is too short to tell heads apart, or is none.
    """
    if text is None:
        return None
    head = text.strip().lower()
    if not SHORTEST <= len(head) <= 64 or not _HEX.fullmatch(head):
        raise UsageProblem(
            "the anchor is no head", "anchor", f"a head is {SHORTEST} to 64 hexadecimal characters"
        )
    return head
