"""What the readers need of the settings, carried in the bounds of a partition.

A landed record is transformed under the settings that its partition was planned with, also by a
later command and in another process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from messy_migration_ticketing import uid
from messy_migration_vivenu.settings import Tenant

PLUGIN = "vivenu"


@dataclass(frozen=True, slots=True)
class Context:
    """The account that a record belongs to, and its defaults."""

    account: str
    currency: str
    timezone: str
    test_prefixes: tuple[str, ...]
    test_shops: tuple[str, ...]

    @classmethod
    def of(cls, account: str, bounds: Mapping[str, Any]) -> Context:
        """What `bounds_of` wrote into the bounds of a partition."""
        return cls(
            account,
            bounds["currency"],
            bounds["timezone"],
            tuple(bounds["test_prefixes"]),
            tuple(bounds["test_shops"]),
        )

    def uid(self, entity: str, source_id: str | None) -> str | None:
        """The key of a row of this account, None for none."""
        return None if source_id is None else uid(PLUGIN, self.account, entity, source_id)

    def is_test_name(self, *names: str | None) -> bool:
        """Whether one of the names marks test data."""
        prefixes = tuple(prefix.casefold() for prefix in self.test_prefixes)
        return any(name.casefold().startswith(prefixes) for name in names if name)

    def is_test_shop(self, shop: str | None) -> bool:
        """Whether a shop sells test data only."""
        return shop in self.test_shops


def bounds_of(tenant: Tenant) -> dict[str, Any]:
    """The part of a partition's bounds that `Context.of` reads; plain JSON values."""
    return {
        "currency": tenant.currency,
        "timezone": tenant.timezone,
        "test_prefixes": list(tenant.test_prefixes),
        "test_shops": list(tenant.test_shops),
    }
