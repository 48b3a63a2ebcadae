"""`run`: migrate, then reconcile."""

from __future__ import annotations

from dataclasses import replace

from messy_migration.run.outcome import Observer, Options, Outcome
from messy_migration.run.rotation import rotate
from messy_migration.run.run import execute
from messy_migration.run.sandbox import served
from messy_migration.workers.nursery import nursery
from messy_migration.workspace import Request


class Silent:
    """An observer that watches nothing."""

    def started(self, *_: object, **__: object) -> None:
        """See `Observer`."""

    def planned(self, *_: object) -> None:
        """See `Observer`."""

    def progressed(self, *_: object) -> None:
        """See `Observer`."""

    def proving(self) -> None:
        """See `Observer`."""


def run(
    request: Request, observer: Observer | None = None, options: Options | None = None
) -> Outcome:
    """Migrate, then reconcile; called again it resumes what is unfinished.

    Args:
        request: which settings to use.
        observer: told of progress.
        options: what the run is asked to do.

    Raises:
        MigrationError: the run could not begin; what goes wrong later is in the outcome.
    """
    options = options or Options()
    # The nursery comes first: a copy of it must hold no plugin and no connection.
    with nursery() as ready, served(request, options.sandbox, ready) as (asked, boxes):
        watcher = observer or Silent()
        if options.rotate_key:
            outcome = rotate(asked, watcher, options)
        else:
            outcome = execute(asked, watcher, options, ready)
        traffic = {box.plugin: {"manifest": dict(box.manifest), **box.traffic()} for box in boxes}
        return replace(outcome, sandbox=traffic)
