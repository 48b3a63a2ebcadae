"""A nursery forks workers, tells what becomes of each, and leaves none behind.

Each test is a program of its own: pytest has threads, and beside threads nobody forks.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are spawned")

PRELUDE = """
import os, signal, sys, threading, time
os.environ["OPENBLAS_NUM_THREADS"] = "1"
from messy_migration.workers import nursery as room
from messy_migration.workers.child import tie_to_parent

def work(pipe, pulse, parent):
    tie_to_parent(parent, "mm-worker")
    act(pipe, pulse)
"""


def program(text):
    """Start a program; its standard output is read as text."""
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(text)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(text):
    """What a program says, which has to end well."""
    running = program(text)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    return out.split()


def test_how_a_worker_ended_is_known():
    endings = {
        "None": 0,
        "sys.exit()": 0,
        "sys.exit(3)": 3,
        "sys.exit('words')": 1,
        "os._exit(7)": 7,
        "1 / 0": 1,
        "os.kill(os.getpid(), signal.SIGKILL)": -signal.SIGKILL,
        "os.abort()": -signal.SIGABRT,
    }
    assert said(f"""
        act = lambda pipe, pulse: eval(pipe.recv())
        with room.nursery() as ready:
            for act in {list(endings)}:
                process, pipe, _ = ready.start(work)
                pipe.send(act)
                process.join()
                print(process.exitcode, process.is_alive())
    """) == [word for code in endings.values() for word in (str(int(code)), "False")]


def test_a_worker_has_a_pipe_and_a_pulse_and_imports_nothing():
    assert said("""
        def act(pipe, pulse):
            pulse.at((4, 5, 6))
            pulse.start()
            before = len(sys.modules)
            pipe.send((pipe.recv() + 1, before, os.getppid() != parent))
            pipe.recv()

        parent = os.getpid()
        with room.nursery() as ready:
            process, pipe, pulse = ready.start(work)
            pipe.send(41)
            answer, modules, has_nursery = pipe.recv()
            print(answer, modules == len(sys.modules), has_nursery, *pulse.span)
            while not pulse.beats:
                time.sleep(0.01)
            assert process.is_alive()
            process.kill()
            process.join()
            print(process.exitcode)
            process.kill()
    """) == ["42", "True", "True", "4", "5", "6", str(-signal.SIGKILL)]


def test_many_workers_end_each_in_its_own_way_and_share_no_pipe():
    codes = said("""
        act = lambda pipe, pulse: sys.exit(pipe.recv())
        with room.nursery() as ready:
            many = [ready.start(work) for _ in range(9)]
            for number in (5, 0, 8, 2, 1, 7, 4, 3, 6):
                many[number].pipe.send(number)
                many[number].process.join()
                print(many[number].process.exitcode)
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(20):
                process, pipe, _ = ready.start(work)
                pipe.close()
                process.join()
            # The pulse of a worker that is forgotten goes with its memory.
            print(len(os.listdir("/proc/self/fd")) - before < 20)
    """)
    assert codes == [*"508217436", "True"]


def test_beside_a_thread_nobody_forks():
    assert said("""
        done = threading.Event()
        threading.Thread(target=done.wait).start()
        with room.nursery() as ready:
            print(ready)
        done.set()
    """) == ["None"]


def test_what_waits_in_a_buffer_is_written_once():
    assert said("""
        sys.stdout.write("once ")
        act = lambda pipe, pulse: print("twice")
        with room.nursery() as ready:
            ready.start(work).process.join()
    """) == ["once", "twice"]


def test_a_nursery_that_dies_takes_its_workers_along_and_starts_no_more():
    assert said("""
        act = lambda pipe, pulse: pipe.recv()
        with room.nursery() as ready:
            process, pipe, _ = ready.start(work)
            os.kill(int(open(f"/proc/{process._pid}/stat").read().split()[3]), signal.SIGKILL)
            process.join()
            print(process.exitcode, ready.start(work))
    """) == [str(-signal.SIGKILL), "None"]


def test_a_run_that_is_killed_leaves_no_process():
    running = program("""
        acts = [
            "pipe.recv()",
            "time.sleep(60)",
            "sum(iter(int, 1))",
            "os.kill(os.getpid(), signal.SIGSTOP)",
        ]
        act = lambda pipe, pulse: eval(pipe.recv())
        with room.nursery() as ready:
            workers = [ready.start(work) for _ in acts]
            for act, one in zip(acts, workers):
                one.pipe.send(act)
            print(*[one.process._pid for one in workers], flush=True)
            time.sleep(60)
    """)
    workers = [int(word) for word in running.stdout.readline().split()]
    assert len(workers) == 4
    nursery = int(Path(f"/proc/{workers[0]}/stat").read_text().split()[3])
    running.kill()
    running.wait()
    end = time.monotonic() + 2
    while left := [pid for pid in (*workers, nursery) if is_alive(pid)]:
        assert time.monotonic() < end, f"{left} live on"
        time.sleep(0.01)
    running.stdout.close()
    running.stderr.close()


def is_alive(pid):
    """Neither gone nor dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_nursery_ends_though_another_process_has_a_copy_of_its_channel():
    assert said("""
        with room.nursery() as ready:
            pid = os.fork()
            if not pid:
                time.sleep(30)
                os._exit(0)
            began = time.monotonic()
        print(time.monotonic() - began < 20)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    """) == ["True"]
