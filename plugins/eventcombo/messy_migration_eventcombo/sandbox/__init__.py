"""EventCombo to try things on: an ASGI application over seeded data, and what is in it.

It knows nothing of the modules that read the service, so that it is not their mirror.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from messy_migration.model import Sandbox
from messy_migration_eventcombo.sandbox.app import LOG, PASSWORD, USERNAME, Call, SandboxApp
from messy_migration_eventcombo.sandbox.knobs import Fault, Knobs
from messy_migration_eventcombo.sandbox.world import build_world

__all__ = ["LOG", "PASSWORD", "USERNAME", "Call", "Fault", "Knobs", "SandboxApp", "build"]


def build(seed: int, knobs: Knobs | None = None) -> Sandbox:
    """A sandbox, the same for the same seed and knobs.

    Its manifest holds, beside the counts per stream, the rows per table without stubs, the
    stubs per table, sums of money, warnings per rule, and how often each mess occurs.
    """
    chosen = knobs or Knobs()
    world = build_world(seed, chosen.attendees)
    return Sandbox(SandboxApp(world, chosen), world.manifest, _section)


def _section(base_url: str) -> Mapping[str, Any]:
    return {"base_url": base_url, "username": USERNAME, "password": PASSWORD}
