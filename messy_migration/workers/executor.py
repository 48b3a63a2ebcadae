"""Hand tasks to another program's executor: Dask, Spark, Ray, or any `concurrent.futures` one.

The same work runs there as in a local worker. Claims, retries and idempotence stay in the
ledger, and no row goes through a scheduler: a task is names and bounds, an answer is a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from contextlib import closing
from types import TracebackType
from typing import Any, Self

from messy_migration.errors import PluginError, packed
from messy_migration.model.event import tell
from messy_migration.model.usage import Usage
from messy_migration.registry import Registry
from messy_migration.workers.pool import TICK_SECONDS, Finished, finished
from messy_migration.workers.task import Briefing, Task
from messy_migration.workers.telling import collected
from messy_migration.workers.worker import Worker


def remote(briefing: Briefing, task: Task) -> dict[str, Any]:
    """What runs on the cluster: one task, end to end."""
    with collected(task) as events:
        return {**_worked(briefing, task), "events": events}


def _worked(briefing: Briefing, task: Task) -> dict[str, Any]:
    try:
        with closing(Worker(briefing)) as worker:
            complete = worker.work(task, lambda: False)
            answer = {"complete": complete, "error": None, "lanes": worker.lane.heads}
            return {**answer, "usage": worker.usage()}
    except Exception as error:  # noqa: BLE001 - it is told to the run, whatever it is
        error_of = packed(error, task.label)
        return {"complete": False, "error": error_of, "lanes": {}, "usage": Usage()}


class EnginePool:
    """An executor in the place of local workers, as a context manager."""

    def __init__(self, briefing: Briefing, executor: Executor) -> None:
        self._briefing = briefing
        self._executor = executor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    def run(
        self,
        tasks: Sequence[Task],
        tick: Callable[[], None],
        should_stop: Callable[[], bool],
    ) -> Iterator[Finished]:
        """As `LocalPool.run`; tasks that an engine has begun go on to their end."""
        under_way: dict[Future[dict[str, Any]], Task] = {}
        for task in tasks:
            try:
                under_way[self._executor.submit(remote, self._briefing, task)] = task
            except Exception as error:  # noqa: BLE001 - an engine that is gone raises what it likes
                yield _lost(task, error)
        while under_way:
            if should_stop():
                for future in under_way:
                    future.cancel()
            done, _ = wait(under_way, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                yield _answer(future, under_way.pop(future))
            tick()


def find_engine(registry: Registry, name: str, workers: int) -> Executor:
    """The executor of that name.

    Raises:
        PluginError: no selected plugin knows the name, or it gave no executor.
    """
    executor = registry.first("engine", name=name, workers=workers)
    if not isinstance(executor, Executor):
        raise PluginError(
            f"no selected plugin has an engine {name!r}",
            "--engine",
            next="name the plugin that brings it in --plugins",
        )
    return executor


def _answer(future: Future[dict[str, Any]], task: Task) -> Finished:
    try:
        answer = future.result()
        for event in answer["events"]:
            tell(event)
        return finished(task, answer)
    except CancelledError:
        return Finished(task, complete=False)
    except Exception as error:  # noqa: BLE001 - whatever an engine raises, it lost the task
        return _lost(task, error)


def _lost(task: Task, error: Exception) -> Finished:
    problem = PluginError(
        "the engine lost a task", task.label, type(error).__name__, "type the same command again"
    )
    return Finished(task, complete=False, error=problem)
