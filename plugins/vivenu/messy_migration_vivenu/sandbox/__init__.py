"""A vivenu to try things on: the read API over seeded, messy data, with a manifest of the truth.

`build` is what the hook gives; tests pass `Knobs` and look at the application itself. The same
seed is the same data, byte by byte; a clock is read only for changes that a test makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from messy_migration.model import Sandbox
from messy_migration_vivenu.sandbox.app import VivenuSandbox
from messy_migration_vivenu.sandbox.data import Account, make_accounts, manifest_of
from messy_migration_vivenu.sandbox.faults import Fault
from messy_migration_vivenu.sandbox.seller import OPENS
from messy_migration_vivenu.sandbox.state import Call, Knobs
from messy_migration_vivenu.sandbox.store import Drift
from messy_migration_vivenu.sandbox.values import iso

__all__ = ["Call", "Drift", "Fault", "Knobs", "VivenuSandbox", "build", "section_of"]


def build(seed: int, knobs: Knobs | None = None) -> Sandbox:
    """A sandbox with two tenants, the same for the same seed.

    Args:
        seed: of the data, the ids and the keys.
        knobs: how the server behaves; a patient one without faults, if they are left out.
    """
    accounts = make_accounts(seed)
    manifest = manifest_of(seed, accounts)
    app = VivenuSandbox(accounts, manifest, knobs or Knobs())
    return Sandbox(app, manifest, lambda url: section_of(accounts, url))


def section_of(accounts: tuple[Account, ...], base_url: str) -> Mapping[str, Any]:
    """The section `[vivenu]` of a profile that reads these accounts at that address."""
    return {
        "tenants": {
            account.profile.name: {
                "token": account.key,
                "base_url": f"{base_url.rstrip('/')}/api",
                "currency": account.profile.currency,
                "timezone": account.profile.zone,
                "begin": iso(OPENS)[:10],
                "test_shops": ["staff-only"],
            }
            for account in accounts
        }
    }
