"""One thing that a verification held against another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """What was held against what, and what came of it.

    Attributes:
        what: in words.
        passed: None where it could not be made.
        why: what is wrong, or why it could not be made.
        is_witness: it rests on what lies outside of the evidence: an anchor or a key. Whoever
            can compute can make evidence of which all other checks are right.
    """

    what: str
    passed: bool | None
    why: str = ""
    is_witness: bool = False
