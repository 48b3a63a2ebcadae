"""A tenant of the sandbox, and the dice that its data is thrown with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import TypeVar

from messy_migration_vivenu.sandbox.cases import RATES
from messy_migration_vivenu.sandbox.values import Ids, millis_of

Item = TypeVar("Item")

OPENS = millis_of("2025-07-01T00:00:00Z")
"""Nothing was made before."""
CLOSES = millis_of("2026-06-30T00:00:00Z")
"""Nothing was changed after; fixed, so that the same seed is the same data on every day."""
MINUTE = 60_000
DAY = 24 * 60 * MINUTE
KEEP_OUT = "keep-out"
"""Every value that a migration may not store begins like this."""


@dataclass(frozen=True)
class Profile:
    """What is fixed about a tenant, whatever the seed."""

    name: str
    currency: str
    zone: str
    tax_percent: int
    customers: int
    tickets: int
    dates: int


PROFILES = (
    Profile("auckland", "NZD", "Pacific/Auckland", 15, 1700, 6400, 132),
    Profile("frankfurt", "EUR", "Europe/Berlin", 19, 1900, 6900, 141),
)


@dataclass
class Seller:
    """A tenant with its dice and ids.

    Attributes:
        profile: what is fixed about it.
        dice: the one source of chance for its data.
        make_id: a new id as made at an instant.
        seller_id: its own id in the source.
        key: what it is let in with.
        messes: (case, collection) -> how many records carry it.
    """

    profile: Profile
    dice: Random
    make_id: Ids
    seller_id: str
    key: str
    messes: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, profile: Profile, seed: int) -> Seller:
        """The tenant as that seed makes it."""
        digest = sha256(f"vivenu sandbox {seed} {profile.name}".encode()).hexdigest()
        dice = Random(digest)  # noqa: S311 - data to try things on, not a secret
        ids = Ids(digest[:10])
        return cls(profile, dice, ids, ids(OPENS), f"sandbox-{profile.name}-{digest[10:26]}")

    @property
    def name(self) -> str:
        """The tenant's name."""
        return self.profile.name

    def is_messy(self, case: str, collection: str) -> bool:
        """Throw the dice for a case; remember if it hits."""
        if self.dice.random() >= RATES[case]:
            return False
        self.mark(case, collection)
        return True

    def mark(self, case: str, collection: str) -> None:
        """Count a record that carries a case."""
        self.messes[case, collection] = self.messes.get((case, collection), 0) + 1

    def pick(self, items: Sequence[Item]) -> Item:
        """One of them."""
        return items[int(self.dice.random() * len(items))]

    def below(self, limit: int) -> int:
        """A whole number from 0, below the limit."""
        return int(self.dice.random() * limit)

    def hidden(self) -> str:
        """A value that may not be stored."""
        return f"{KEEP_OUT}-{self.dice.getrandbits(64):016x}"
