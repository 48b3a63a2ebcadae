"""What a new process is to do, and the surroundings in which it does it."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from messy_migration.workers.pulse import Pulse

Act = Callable[[Connection, Pulse, int], None]
"""What a process does, given its end of a pipe, its pulse, and the process that started it."""


@dataclass(frozen=True)
class Order:
    """What a new process does, and where: as if the run itself did it just now.

    Attributes:
        act: pickled, since the function is found only once the path is that of the run.
        folder, environment, path: the run's working folder, variables and `sys.path`.
    """

    act: bytes
    folder: str = field(default_factory=os.getcwd)
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    path: list[str] = field(default_factory=lambda: list(sys.path))

    @classmethod
    def of(cls, act: Act) -> Order:
        """The order to do this here and now."""
        return cls(pickle.dumps(act))

    def obey(self, pipe: Connection, pulse: Pulse, parent: int) -> None:
        """Called by the new process: take over the surroundings, and act."""
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update(self.environment)
        sys.path[:] = self.path
        act: Act = pickle.loads(self.act)  # noqa: S301 - from the run, through a pipe of its own
        act(pipe, pulse, parent)
