"""Local workers under supervision: started, begun again when they die, never left behind.

A worker that is killed, crashes, freezes or runs out of memory costs one attempt of one batch.
A batch that costs too many is taken in halves, and a record that workers die of on its own goes
to quarantine. The pipe between parent and worker carries plain data only. Workers die with
their parent: the kernel kills them (Linux), and without their parent's end of the pipe they
stop by themselves.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from messy_migration.errors import MigrationError, PluginError, unpacked
from messy_migration.ledger.lanes import Heads
from messy_migration.model.event import Event, tell
from messy_migration.model.events import BatchRetriesExhausted, WorkerDied
from messy_migration.model.usage import Usage
from messy_migration.workers.crashes import Crashes
from messy_migration.workers.loop import work_for
from messy_migration.workers.nursery import Nursery, start
from messy_migration.workers.processes import Process
from messy_migration.workers.pulse import Pulse
from messy_migration.workers.task import Briefing, Task

TICK_SECONDS = 0.2
GRACE_SECONDS = 15.0
"""Well within the time that a run has for an orderly end (`run.signals`)."""
FROZEN_SECONDS = 30.0
START_SECONDS = 60.0
"""A new process that imports what it needs does not beat yet, and a busy machine takes long."""


@dataclass(frozen=True)
class Finished:
    """How a task ended: complete, stopped before its end, or with an error.

    Attributes:
        task: that ended.
        complete: all of it is committed.
        error: what went wrong.
        lanes: what its worker says of the lanes that it has written in.
        usage: what it used since its last batch.
    """

    task: Task
    complete: bool
    error: MigrationError | None = None
    lanes: Heads = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)


@dataclass
class _Slot:
    process: Process
    pipe: Connection
    pulse: Pulse
    briefing: Briefing | None = None
    task: Task | None = None
    beats: int = 0
    silence: float = 0.0
    is_frozen: bool = False

    def listen(self, passed: float) -> float:
        """Seconds without a beat; `passed` went by since the last call."""
        beats = self.pulse.beats
        self.silence = 0.0 if beats != self.beats else self.silence + passed
        self.beats = beats
        return self.silence


class LocalPool:
    """Processes of this machine that work on tasks, as a context manager.

    Attributes:
        briefing: what every worker has to know before its next task; may change between two runs.
    """

    def __init__(
        self,
        briefing: Briefing,
        workers: int,
        frozen_after: float = FROZEN_SECONDS,
        nursery: Nursery | None = None,
    ) -> None:
        self.briefing = briefing
        self._workers = workers
        self._frozen_after = frozen_after
        self._nursery = nursery
        self._deaths = Crashes()
        self._listened = time.monotonic()
        self._slots: list[_Slot] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        for slot in self._slots:
            slot.process.join()
            slot.pipe.close()
        self._slots.clear()

    def warm(self, workers: int) -> None:
        """Start workers for which there will be tasks, so that they import meanwhile."""
        while len(self._slots) < min(workers, self._workers):
            self._slots.append(self._start())

    def run(
        self,
        tasks: Sequence[Task],
        tick: Callable[[], None],
        should_stop: Callable[[], bool],
    ) -> Iterator[Finished]:
        """Work on all tasks; yields each as it ends.

        Args:
            tasks: in the order in which they are begun.
            tick: called several times a second.
            should_stop: once true, no task is begun, and those under way end after their
                batch.
        """
        queue = deque(tasks)
        told_at = 0.0
        while queue or any(slot.task for slot in self._slots):
            if should_stop():
                queue.clear()
                told_at = told_at or self._tell_to_stop()
                if time.monotonic() - told_at > GRACE_SECONDS:
                    self._kill()
            self._feed(queue)
            yield from self._collect(queue, stopping=bool(told_at))
            self._end_frozen()
            tick()

    def _feed(self, queue: deque[Task]) -> None:
        for slot in self._slots:
            if queue and slot.task is None and slot.process.is_alive():
                self._give(slot, queue.popleft())
        while queue and len(self._slots) < self._workers:
            slot = self._start()
            self._slots.append(slot)
            self._give(slot, queue.popleft())

    def _give(self, slot: _Slot, task: Task) -> None:
        slot.task = task
        try:
            self._brief(slot)
            slot.pipe.send(task)
        except OSError:
            return  # it just died; the sentinel tells

    def _brief(self, slot: _Slot) -> None:
        if slot.briefing != self.briefing:
            slot.pipe.send(self.briefing)
            slot.briefing = self.briefing

    def _start(self) -> _Slot:
        slot = _Slot(*start(self._nursery, work_for))
        with suppress(OSError):
            self._brief(slot)
        return slot

    def _end_frozen(self) -> None:
        """Kill workers that show no sign of life; what they had under way is begun again."""
        now = time.monotonic()
        # Where this process was stopped too (Ctrl-Z, a sleeping laptop), the time does not count.
        passed = min(now - self._listened, 5 * TICK_SECONDS)
        self._listened = now
        for slot in self._slots:
            limit = self._frozen_after if slot.beats else START_SECONDS
            if slot.listen(passed) > limit and not slot.is_frozen:
                slot.is_frozen = True
                slot.process.kill()

    def _kill(self) -> None:
        for slot in self._slots:
            slot.process.kill()

    def _tell_to_stop(self) -> float:
        for slot in self._slots:
            try:
                slot.pipe.send(None)
            except (BrokenPipeError, OSError):
                continue
        return time.monotonic()

    def _collect(self, queue: deque[Task], *, stopping: bool) -> Iterator[Finished]:
        watched: list[Any] = [slot.pipe for slot in self._slots]
        watched += [slot.process.sentinel for slot in self._slots]
        ready = wait(watched, timeout=TICK_SECONDS)
        for slot in list(self._slots):
            if slot.pipe in ready:
                answer = _heard(slot.pipe)
                if answer is not None and slot.task is not None:
                    task, slot.task = slot.task, None
                    yield finished(task, answer)
                    continue
            if slot.process.sentinel in ready and not slot.process.is_alive():
                self._slots.remove(slot)
                slot.pipe.close()
                if not stopping:
                    tell(_death(slot))
                if slot.task is None:
                    continue
                if stopping:
                    yield Finished(slot.task, complete=False)
                    continue
                again = self._deaths.after(slot.task, slot.pulse.span, _how(slot))
                if again is None:
                    error = _given_up(slot, slot.task)
                    label = {"stream": slot.task.stream, "tenant": slot.task.tenant}
                    texts = {"what": error.what, "where": error.where, "why": error.why}
                    tell(BatchRetriesExhausted(**label, **texts))
                    yield Finished(slot.task, complete=False, error=error)
                else:
                    queue.appendleft(again)


def finished(task: Task, answer: dict[str, Any]) -> Finished:
    """The end of a task, from what its worker answered."""
    error = None if answer["error"] is None else unpacked(answer["error"])
    complete = error is None and bool(answer["complete"])
    return Finished(task, complete, error, answer["lanes"], answer["usage"])


def _heard(pipe: Connection) -> dict[str, Any] | None:
    """Tell what a worker tells, up to the end of its task; None if that is not reached."""
    with suppress(EOFError, OSError):
        while pipe.poll():
            message = pipe.recv()
            if not isinstance(message, Event):
                answer: dict[str, Any] = message
                return answer
            tell(message)
    return None


def _death(slot: _Slot) -> WorkerDied:
    if slot.task is None:
        return WorkerDied(how=_how(slot))
    task = slot.task
    label = {"stream": task.stream, "tenant": task.tenant, "partition": task.partition.name}
    return WorkerDied(**label, how=_how(slot))


def _how(slot: _Slot) -> str:
    """How a worker died, in words."""
    if slot.is_frozen:
        return "frozen, without a sign of life"
    code = slot.process.exitcode or 0
    return f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit status {code}"


def _given_up(slot: _Slot, task: Task) -> MigrationError:
    what = "workers died again and again on the same partition"
    if slot.process.exitcode == -signal.SIGKILL and not slot.is_frozen:
        advice = "give the machine more memory, or set batch_records lower"
        return MigrationError(what, task.label, _how(slot), advice)
    # Nothing of ours ends or stops a process; code that a plugin runs in it does.
    advice = f"try the plugin {task.plugin} on this input alone"
    return PluginError(what, task.label, _how(slot), advice)
