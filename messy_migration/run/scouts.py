"""Which tasks are tried first, and which are not tried at all."""

from __future__ import annotations

from collections.abc import Sequence

from messy_migration.run.state import RunState
from messy_migration.workers.task import Task


def find_scouts(state: RunState, levels: Sequence[Sequence[Task]]) -> list[Task]:
    """The first task of every account of an API: a wrong key is tried once, not by each task."""
    lands = {(stream.name, stream.tenant) for stream in state.streams if stream.lands}
    scouts: dict[tuple[str, str], Task] = {}
    for tasks in levels:
        for task in tasks:
            if (task.stream, task.tenant) in lands:
                scouts.setdefault((task.plugin, task.tenant), task)
    return list(scouts.values())


def is_hopeless(state: RunState, task: Task) -> bool:
    """The account does not answer, or a stream that this one depends on was not all read."""
    stream = next(
        stream
        for stream in state.streams
        if (stream.name, stream.tenant) == (task.stream, task.tenant)
    )
    if (task.plugin, task.tenant) in state.closed:
        state.unfinished.setdefault(
            stream.label, f"the first partition of tenant {stream.tenant or stream.plugin!r} failed"
        )
        return True
    for parent in state.streams:
        if (
            parent.name in stream.depends_on
            and parent.tenant == stream.tenant
            and parent.label in state.unfinished
        ):
            why = f"{parent.label}, which it depends on, was not all read"
            state.unfinished.setdefault(stream.label, why)
            return True
    return False
