"""What can be turned on the sandbox: how it wraps its answers, and how it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FaultKind = Literal[
    "429",
    "500",
    "503",
    "slow",
    "reset",
    "truncated",
    "html",
    "empty",
    "null",
    "unknown",
    "not_success",
    "status_code",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way of failing.

    Attributes:
        kind: a status, or what is wrong with an answer of status 200.
        every: each n-th call of the paths fails.
        times: at most so often; None is for ever.
        path: only where the path holds this text.
        retry_after: what a 429 or 503 says: seconds, an HTTP date, or nothing.
        seconds: how long a slow answer takes.
    """

    kind: FaultKind
    every: int = 1
    times: int | None = None
    path: str = ""
    retry_after: Literal["seconds", "date"] | None = None
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Knobs:
    """How the sandbox behaves.

    Attributes:
        attendees: how many records the attendee lists serve, without the added bad ones.
        case: of all keys, in wrappers and records.
        envelopes: entity -> dotted place of the list in an answer; "" is a bare list.
        totals: entity -> name of the total beside the list.
        page_cap: most records of a page, whatever is asked for.
        refuse_above: 503 where more than so many records are asked for.
        token_life: seconds until a token is refused.
        token_calls: calls until a token is refused; None is no such limit.
        says_life: the token answer holds `expires_in`.
        restricted: text in paths that answer 403.
        faults: tried in order; the first that is due is given.
    """

    attendees: int = 1_800
    case: Literal["pascal", "camel"] = "pascal"
    envelopes: Mapping[str, str] = field(
        default_factory=lambda: {
            "events": "events",
            "ticket_types": "",
            "promo_codes": "Result",
            "orders": "Data.Items",
            "attendees": "Result.Items",
        }
    )
    totals: Mapping[str, str] = field(
        default_factory=lambda: {"promo_codes": "Total", "orders": "TotalCount"}
    )
    page_cap: int = 1_000
    refuse_above: int | None = None
    token_life: float = 3_600.0
    token_calls: int | None = None
    says_life: bool = True
    restricted: str | None = None
    faults: tuple[Fault, ...] = ()
