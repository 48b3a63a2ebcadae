"""Links of the chain while a run goes on, so that a killed run leaves little that is unsealed.

Every few seconds the run names in a link how far each lane has come, and writes the head down
beside its configuration. It is a transaction of its own under the fence: nothing that a batch
writes waits for it. A monotonic clock says when; a clock that jumps changes nothing.
"""

from __future__ import annotations

import json
import time

from sqlalchemy import Connection

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.open import HURRIED
from messy_migration.ledger import chain, changes, fence
from messy_migration.ledger.chain import Covered, Link
from messy_migration.ledger.clock import now
from messy_migration.ledger.lanes import Heads
from messy_migration.ledger.pending import heads, newest_items
from messy_migration.run.anchors import note
from messy_migration.run.state import RunState

SEAL_SECONDS = 5.0


class Sealer:
    """Writes the links of one run while it goes on."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._at = time.monotonic()
        self._links: list[Link] = []

    def seal(self) -> None:
        """Write a link, if it is time and a lane went on.

        Raises:
            TargetBusy, TargetUnavailable: it could not be written now.
            Locked: a newer run took the target over.
        """
        if time.monotonic() - self._at < SEAL_SECONDS:
            return
        self._at = time.monotonic()
        state = self._state
        target, ledger = state.workspace.target, state.workspace.ledger
        # A frozen worker may hold the file, and only who does not wait for it sees that.
        hurried = target.engine.execution_options(**{HURRIED: True})
        with driver_errors_as_ours("a link of the chain"), hurried.begin() as connection:
            link = self._link(connection)
            if link is None:
                return
            chain.append(connection, ledger, link)
            fence.check(connection, ledger, state.briefing.epoch)
        self._links.append(link)
        note(state.workspace, self._links[0].previous, link)

    def _link(self, connection: Connection) -> Link | None:
        ledger = self._state.workspace.ledger
        last = self._links[-1].ordinal if self._links else 0
        # The last one may not have committed, though it seemed to.
        self._links = self._links[:-1] + chain.links(connection, ledger, max(last, 1))
        before = self._links[-1] if self._links else None
        newest: Heads = newest_items(connection, ledger, before, heads(self._links))
        if not newest:
            return None
        after = (before.last_seq, before.last_change or 0) if before else (0, 0)
        return chain.following(
            before,
            Covered(after[0], 0, "", "", after[1], 0, ""),
            key=self._state.key,
            **({} if before else {"previous": chain.new_ledger()}),
            run_id=self._state.run.run_id,
            kind="lanes",
            plans_digest="",
            evidence_digest="",
            verdict="",
            written_at=now(),
            lanes=json.dumps({lane: list(head) for lane, head in sorted(newest.items())}),
            state_digest=changes.state_digest(connection, ledger, self._state.run.run_id),
        )
