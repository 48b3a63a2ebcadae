"""Local workers under supervision: spawned, restarted when they die, never left behind.

A worker that is killed or crashes costs one attempt of one piece. The pipe between parent and
worker carries plain data only. Workers die with their parent: the kernel kills them (Linux),
and without their parent's end of the pipe they stop by themselves.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Self

from messy_migration import errors
from messy_migration.errors import MigrationError, PluginError
from messy_migration.runner.process import is_orphan, tie_to_parent
from messy_migration.runner.work import Job, Piece, Worker, failure

ATTEMPTS = 3
TICK_SECONDS = 0.2
GRACE_SECONDS = 25.0


@dataclass(frozen=True)
class Finished:
    """How a piece ended: complete, stopped before its end, or with an error."""

    piece: Piece
    complete: bool
    error: MigrationError | None = None


@dataclass
class _Slot:
    process: SpawnProcess
    pipe: Connection
    piece: Piece | None = None


class LocalPool:
    """Processes of this machine that work on pieces, as a context manager."""

    def __init__(self, job: Job, workers: int) -> None:
        self._job = job
        self._workers = workers
        self._slots: list[_Slot] = []
        self._context = multiprocessing.get_context("spawn")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        for slot in self._slots:
            slot.process.join()
            slot.pipe.close()
        self._slots.clear()

    def run(
        self,
        pieces: Sequence[Piece],
        tick: Callable[[], None],
        should_stop: Callable[[], bool],
    ) -> Iterator[Finished]:
        """Work on all pieces; yields each as it ends.

        Args:
            pieces: in the order in which they are begun.
            tick: called several times a second.
            should_stop: once true, no piece is begun, and those under way end after their
                batch.
        """
        queue = deque(pieces)
        attempts: dict[tuple[str, str, str], int] = {}
        told = 0.0
        while queue or any(slot.piece for slot in self._slots):
            if should_stop():
                queue.clear()
                told = told or self._tell_to_stop()
                if time.monotonic() - told > GRACE_SECONDS:
                    self._kill()
            self._feed(queue)
            yield from self._collect(queue, attempts, stopping=bool(told))
            tick()

    def _feed(self, queue: deque[Piece]) -> None:
        for slot in self._slots:
            if queue and slot.piece is None and slot.process.is_alive():
                self._give(slot, queue.popleft())
        while queue and len(self._slots) < self._workers:
            slot = self._start()
            self._slots.append(slot)
            self._give(slot, queue.popleft())

    def _give(self, slot: _Slot, piece: Piece) -> None:
        slot.piece = piece
        try:
            slot.pipe.send(piece)
        except (BrokenPipeError, OSError):
            return  # it just died; the sentinel tells

    def _start(self) -> _Slot:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_main, args=(theirs, self._job, os.getpid()), name="messy-migration worker"
        )
        process.start()
        theirs.close()
        return _Slot(process, ours)

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

    def _collect(
        self, queue: deque[Piece], attempts: dict[tuple[str, str, str], int], *, stopping: bool
    ) -> Iterator[Finished]:
        watched: list[Any] = [slot.pipe for slot in self._slots]
        watched += [slot.process.sentinel for slot in self._slots]
        ready = wait(watched, timeout=TICK_SECONDS)
        for slot in list(self._slots):
            if slot.pipe in ready and slot.piece is not None:
                try:
                    answer = slot.pipe.recv()
                except (EOFError, OSError):
                    answer = None
                if answer is not None:
                    piece, slot.piece = slot.piece, None
                    yield finished(piece, answer)
                    continue
            if slot.process.sentinel in ready and not slot.process.is_alive():
                self._slots.remove(slot)
                slot.pipe.close()
                if slot.piece is not None:
                    yield from self._died(slot, slot.piece, queue, attempts, stopping=stopping)

    def _died(
        self,
        slot: _Slot,
        piece: Piece,
        queue: deque[Piece],
        attempts: dict[tuple[str, str, str], int],
        *,
        stopping: bool,
    ) -> Iterator[Finished]:
        attempts[piece.place] = attempts.get(piece.place, 0) + 1
        if stopping:
            yield Finished(piece, complete=False)
        elif attempts[piece.place] < ATTEMPTS:
            queue.appendleft(piece)
        else:
            yield Finished(piece, complete=False, error=_death(slot, piece))


def finished(piece: Piece, answer: dict[str, Any]) -> Finished:
    """The end of a piece, from what its worker answered."""
    if answer["error"] is None:
        return Finished(piece, bool(answer["complete"]))
    return Finished(piece, complete=False, error=revived(answer["error"]))


def revived(data: dict[str, str]) -> MigrationError:
    """The error that a worker wrote down with `failure`."""
    kind = getattr(errors, data["kind"], MigrationError)
    if not (isinstance(kind, type) and issubclass(kind, MigrationError)):
        kind = MigrationError
    return kind(data["what"], data["where"], data["why"], data["next"])


def _death(slot: _Slot, piece: Piece) -> MigrationError:
    code = slot.process.exitcode or 0
    how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit status {code}"
    what = f"a worker died {ATTEMPTS} times on the same piece"
    if code == -signal.SIGKILL:
        advice = "give the machine more memory, or set batch_records lower"
        return MigrationError(what, piece.label, how, advice)
    # Nothing of ours ends a process; code that a plugin runs in it does.
    advice = f"try the plugin {piece.stream.partition('.')[0]} on this input alone"
    return PluginError(what, piece.label, how, advice)


def _blamed(error: BaseException) -> BaseException:
    if isinstance(error, KeyboardInterrupt):
        return PluginError("a plugin raised KeyboardInterrupt")
    return error


def _main(pipe: Connection, job: Job, parent: int) -> None:
    """What a worker process runs."""
    tie_to_parent(parent)
    # What plugins print is no data; stdout belongs to the result of the command.
    os.dup2(2, 1)
    worker: Worker | None = None
    stopped = False

    def should_stop() -> bool:
        nonlocal stopped
        if is_orphan(parent):
            os._exit(1)
        if not stopped and pipe.poll():
            stopped = pipe.recv() is None
        return stopped

    while not stopped:
        try:
            piece = pipe.recv()
        except (EOFError, OSError):
            return
        if piece is None or is_orphan(parent):
            return
        answer: dict[str, Any] = {"complete": False, "error": None}
        try:
            worker = worker or Worker(job)
            answer["complete"] = worker.work(piece, should_stop)
        except (EOFError, BrokenPipeError):
            return
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, it is told
            # A Ctrl-C never gets here, so this one was raised by a plugin.
            answer["error"] = failure(_blamed(error), piece.label)
        pipe.send(answer)
