"""The run lock while a run lasts: taken, watched, and taken back when the server went away.

A server that restarts or fails over takes every lock with it. The run takes its lock again on a
new connection and goes on if nobody was there meanwhile, which the epoch in the ledger tells:
whoever takes a target over raises it. Until then the epoch keeps the run's own batches apart from
a newer run's, since each of them asks for it as its last statement.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.open import Target
from messy_migration.errors import Locked, TargetUnavailable
from messy_migration.ledger import fence
from messy_migration.ledger.tables import Ledger

TRIES = 3
PAUSE_SECONDS = 0.2


class RunLock:
    """The run lock of a target, as a context manager that gives it back.

    Attributes:
        epoch: the one that this run raised, once it has.
    """

    def __init__(self, target: Target, ledger: Ledger) -> None:
        self.epoch: int | None = None
        self._target = target
        self._ledger = ledger
        self._stack = ExitStack()
        self._is_held: Callable[[], bool] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_held = None
        self._stack.__exit__(kind, error, trace)

    def take(self) -> bool:
        """Take the lock; False if another process has it.

        A command that only looks has it for a moment, so it is tried more than once.
        """
        for tries in range(TRIES - 1, -1, -1):
            stack = ExitStack()
            with driver_errors_as_ours(f"target {self._target.label}"):
                is_held = stack.enter_context(self._target.dialect.lock(self._target.engine))
            if is_held is not None:
                self._stack, self._is_held = stack, is_held
                return True
            stack.close()
            if tries:
                time.sleep(PAUSE_SECONDS)
        return False

    def ensure(self) -> None:
        """Go on only with the lock; take it back if its connection died.

        Raises:
            Locked: another run has it, or had it meanwhile.
            TargetUnavailable: the server cannot be asked, or lost what it had committed.
        """
        if self._is_held is not None and self._is_held():
            return
        self._is_held = None
        with driver_errors_as_ours(f"target {self._target.label}"):
            self._stack.close()
            if not self.take():
                raise Locked(
                    "the run lock was lost, and another process took it",
                    self._target.label,
                    self._target.dialect.holder(self._target.engine),
                    "`migrate status`",
                )
            self._compare()

    def _compare(self) -> None:
        if self.epoch is None:
            return
        with self._target.dialect.reading(self._target.engine) as connection:
            epoch = fence.current(connection, self._ledger)
        if epoch > self.epoch:
            raise Locked(
                "a newer run took this target over",
                f"epoch {self.epoch}",
                f"the target is at epoch {epoch}",
                "`migrate status`",
            )
        if epoch < self.epoch:
            raise TargetUnavailable(
                "the target has lost what it had committed",
                self._target.label,
                f"it is at epoch {epoch} and was at {self.epoch}: a standby that lagged behind?",
                "type the same command again; the ledger was lost with the rows, so it resumes",
            )
