"""One attempt at a transaction whose COMMIT may lose its answer.

From the moment COMMIT is sent, an error of the connection says nothing: the batch may be
committed, or not, or about to be. Only the ledger knows, and only once the server's side of the
connection is gone, since until then it may still commit. So the ledger is asked, the session is
waited for and in the end ended, the ledger is asked again, and only then the batch is written
again. While that cannot be done the outcome is unknown, which is never taken for a success.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from messy_migration.databases.errors import driver_errors_as_ours
from messy_migration.databases.open import Target
from messy_migration.errors import TargetBusy, TargetFull, TargetUnavailable
from messy_migration.ledger import receipts
from messy_migration.ledger.tables import Ledger
from messy_migration.model import Receipt
from messy_migration.model.event import tell
from messy_migration.model.events import CommitUnanswered

GRACE = 3
"""Looks at a session that may still commit before the server is told to end it."""


class CommitUnknown(TargetUnavailable):
    """COMMIT was sent, and its answer never came.

    Attributes:
        session_id: the server's side of the connection.
        receipt: what was to be committed.
    """

    def __init__(self, error: TargetUnavailable, session_id: str, receipt: Receipt) -> None:
        super().__init__(error.what, error.where, error.why, error.next)
        self.session_id = session_id
        self.receipt = receipt


@contextmanager
def committing(where: str, session_id: str, receipt: Receipt) -> Iterator[None]:
    """While COMMIT is on its way: an error that is no answer leaves the outcome open.

    Raises:
        CommitUnknown: it did.
    """
    try:
        with driver_errors_as_ours(where):
            yield
    except TargetFull:
        raise
    except TargetUnavailable as error:
        raise CommitUnknown(error, session_id, receipt) from error


@dataclass
class Attempt:
    """A way to write a batch; called again while the target is away, busy or full.

    Attributes:
        write: the transaction.
        target, ledger: where it goes.
        tables: that it writes.
    """

    write: Callable[[], Receipt | None]
    target: Target
    ledger: Ledger
    tables: Sequence[str]
    _unknown: CommitUnknown | None = None
    _looks: int = 0

    def __call__(self) -> Receipt | None:
        """The receipt; None if the ledger had one already.

        Raises:
            CommitUnknown, TargetUnavailable, TargetBusy, TargetFull: to be called again.
        """
        if self._unknown is not None and self._has_arrived(self._unknown):
            return self._unknown.receipt
        self._unknown, self._looks = None, 0
        try:
            return self.write()
        except CommitUnknown as error:
            self._unknown = error
            raise
        except TargetBusy as error:
            who = self.target.dialect.blockers(self.target.engine, self.tables)
            why = f"{error.why}, held by {who}" if who else error.why
            raise TargetBusy(error.what, error.where, why, error.next) from error

    def _has_arrived(self, unknown: CommitUnknown) -> bool:
        """Did the batch commit? False only once nothing can change that any more.

        Raises:
            TargetUnavailable: the ledger cannot be asked, or the session is still at work.
        """
        self._looks += 1
        try:
            is_committed = self._look(unknown)
        except TargetUnavailable as error:
            raise TargetUnavailable(
                "the outcome of a batch is unknown", unknown.where, error.why, error.next
            ) from error
        tell(CommitUnanswered(batch=unknown.receipt.batch_id, is_committed=is_committed))
        return is_committed

    def _look(self, unknown: CommitUnknown) -> bool:
        dialect, receipt = self.target.dialect, unknown.receipt
        with driver_errors_as_ours(unknown.where), self.target.engine.connect() as connection:

            def is_there() -> bool:
                with connection.begin():
                    return bool(receipts.committed(connection, self.ledger, [receipt.batch_id]))

            if is_there():
                return True
            with connection.begin():
                is_over = dialect.is_over(
                    connection, unknown.session_id, forcibly=self._looks > GRACE
                )
            if is_over:
                return is_there()
        why = f"process {unknown.session_id} of the server may still commit it"
        raise TargetUnavailable("a session is still at work", unknown.where, why)
