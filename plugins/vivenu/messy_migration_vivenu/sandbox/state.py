"""How a server is to behave, and what it remembers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from messy_migration_vivenu.sandbox.data import Account
from messy_migration_vivenu.sandbox.faults import Fault, Faults
from messy_migration_vivenu.sandbox.store import Collection, Drift, Order

LOG_LIMIT = 200_000
"""Calls that are remembered."""


@dataclass(frozen=True)
class Knobs:
    """How the server behaves.

    Attributes:
        page_cap: records a page at most, whatever `top` asks for.
        order: of the lists, unless `sortDir` says otherwise.
        strict: an unknown parameter is refused with 400.
        restricted: tenant -> beginnings of paths that its key may not read: 403.
        drift: collection -> what happens to it after its first page went out.
        faults: what goes wrong, on which calls.
        admin_key: lets tests in at `/_sandbox/`; without one nobody is let in.
    """

    page_cap: int = 250
    order: Order = "newest"
    strict: bool = True
    restricted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    drift: Mapping[str, Drift] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    admin_key: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One line of the access log; `tenant` is empty where no tenant has the key."""

    method: str
    path: str
    query: str
    status: int
    tenant: str


@dataclass
class State:
    """What a server knows while it runs.

    Attributes:
        knobs: how it behaves.
        manifest: the truth about what was served at the start.
        collections: (tenant, collection) -> what is served.
        faults: what goes wrong at present.
        log: the calls that came in, oldest first, those of tests left out.
        writes: how many calls tried to write; all were refused.
    """

    knobs: Knobs
    manifest: Mapping[str, Any]
    collections: Mapping[tuple[str, str], Collection]
    faults: Faults
    log: deque[Call]
    writes: int = 0

    @classmethod
    def of(cls, accounts: tuple[Account, ...], manifest: Mapping[str, Any], knobs: Knobs) -> State:
        """The state at the start."""
        collections = {
            (account.profile.name, name): Collection(
                list(entries), knobs.order, knobs.drift.get(name)
            )
            for account in accounts
            for name, entries in account.collections.items()
        }
        return cls(knobs, manifest, collections, Faults(knobs.faults), deque(maxlen=LOG_LIMIT))
