"""Processes that import nothing: forked from one that has what the run has imported.

A run forks the nursery before it starts a thread, opens a connection or imports a plugin, so
that a copy of it holds modules of ours and nothing else. For each process that is wanted the
nursery forks again. Such a process dies with the nursery and the nursery with its run
(`tie_to_parent`), and what became of it comes through a pipe of its own, since only the nursery
may wait for it.

Where a fork would not be safe there is no nursery, and processes are spawned.
"""

from __future__ import annotations

import gc
import mmap
import os
import pickle
import select
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from typing import NoReturn

from messy_migration.loading import has_one_thread
from messy_migration.workers.child import tie_to_parent
from messy_migration.workers.order import Act, Order
from messy_migration.workers.processes import Started, spawned
from messy_migration.workers.pulse import BYTES, Pulse, shared_memory

_PID = struct.Struct("q")
_STATUS = struct.Struct("i")
_LONGEST = 131_072
"""Bytes of an order; what comes through a process's pipe has no limit."""
_FILES = 5
"""That come with an order: the process's pipe, its pulse, its last word, stdout and stderr."""


class Forked:
    """A process that a nursery forked; see `Process`."""

    def __init__(self, pid: int, sentinel: int) -> None:
        self.sentinel = sentinel
        self.exitcode: int | None = None
        self._pid = pid
        self._handle: int | None = None
        with suppress(ProcessLookupError):  # it ended already
            self._handle = os.pidfd_open(pid)

    def is_alive(self) -> bool:
        """See `Process`."""
        self._look(0)
        return self.exitcode is None

    def kill(self) -> None:
        """See `Process`."""
        if self._handle is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def join(self) -> None:
        """See `Process`."""
        self._look(None)

    def _look(self, seconds: float | None) -> None:
        if self.exitcode is not None or not select.select([self.sentinel], [], [], seconds)[0]:
            return
        word = os.read(self.sentinel, _STATUS.size)
        # Without a last word the nursery died, and took all that it had forked with it.
        self.exitcode = _STATUS.unpack(word)[0] if word else -signal.SIGKILL
        os.close(self.sentinel)
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class Nursery:
    """The run's side of it."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def start(self, act: Act) -> Started | None:
        """A new process; None if the nursery is gone.

        Args:
            act: a function that can be found by its name, or a `partial` of one.
        """
        with ExitStack() as stack:
            memory = shared_memory()
            stack.callback(os.close, memory)
            ours, theirs = Pipe()
            stack.enter_context(theirs)
            sentinel, last_word = os.pipe()
            stack.callback(os.close, last_word)
            try:
                files = [theirs.fileno(), memory, last_word, 1, 2]
                socket.send_fds(self._channel, [pickle.dumps(Order.of(act))], files)
                answer = self._channel.recv(_PID.size)
            except OSError:
                answer = b""
            if not answer:
                ours.close()
                os.close(sentinel)
                return None
            pulse = Pulse(mmap.mmap(memory, BYTES))
            return Started(Forked(_PID.unpack(answer)[0], sentinel), ours, pulse)


def start(ready: Nursery | None, act: Act) -> Started:
    """A new process, from the nursery where there is one."""
    return (ready and ready.start(act)) or spawned(act)


@contextmanager
def nursery() -> Iterator[Nursery | None]:
    """Fork a nursery, and end it; None where a fork is not safe or the system cannot do it."""
    if not hasattr(os, "pidfd_open") or not has_one_thread():
        yield None
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # What waits in a buffer would be written by every copy of it.
    sys.stdout.flush()
    sys.stderr.flush()
    run = os.getpid()
    child = os.fork()
    if not child:
        ours.close()
        tend(theirs, run)
    theirs.close()
    try:
        yield Nursery(ours)
    finally:
        with suppress(OSError):  # it died before
            # Also where a plugin has forked, and so has a copy of our end.
            ours.shutdown(socket.SHUT_RDWR)
        ours.close()
        with suppress(ChildProcessError):  # nobody waits for children where their end is ignored
            os.waitpid(child, 0)


def tend(channel: socket.socket, run: int) -> NoReturn:
    """What the nursery does: fork processes, wait for them, and say what became of each.

    Args:
        channel: through which orders come; the nursery ends with it.
        run: the process that gives the orders, and whose death is the nursery's.
    """
    try:
        tie_to_parent(run, "mm-nursery")
        gc.freeze()
        last_words: dict[int, tuple[int, int]] = {}
        watch = select.poll()
        watch.register(channel, select.POLLIN)
        while True:
            for ready, _ in watch.poll():
                if ready != channel.fileno():
                    watch.unregister(ready)
                    _say_last_word(ready, *last_words.pop(ready))
                    continue
                order, files, _, _ = socket.recv_fds(channel, _LONGEST, _FILES)
                if not order:
                    sys.exit()  # the run is done
                pid = _fork(channel, order, files, last_words)
                for file in files[:2] + files[3:]:
                    os.close(file)
                handle = os.pidfd_open(pid)
                last_words[handle] = (pid, files[2])
                watch.register(handle, select.POLLIN)
                channel.send(_PID.pack(pid))
    except Exception:  # noqa: BLE001 - nothing of the run that was copied may run here
        traceback.print_exc()
    finally:
        # Processes that are left have lost their parent, and end.
        os._exit(0)


def _fork(
    channel: socket.socket, order: bytes, files: list[int], last_words: dict[int, tuple[int, int]]
) -> int:
    """The process id of a new process."""
    nursery_id = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        channel.close()
        for handle, (_, file) in last_words.items():
            os.close(handle)
            os.close(file)
        pipe, memory, last_word, *outputs = files
        os.close(last_word)
        for number, file in enumerate(outputs, start=1):
            os.dup2(file, number)
            os.close(file)
        asked: Order = pickle.loads(order)  # noqa: S301 - see `Order.obey`
        asked.obey(Connection(pipe), Pulse(mmap.mmap(memory, BYTES)), nursery_id)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - it ends like a process of its own would
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 0xFF)


def _say_last_word(handle: int, pid: int, file: int) -> None:
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(OSError):  # the run no longer listens
        os.write(file, _STATUS.pack(status))
    os.close(file)
    os.close(handle)
