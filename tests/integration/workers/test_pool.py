"""Workers that are killed, crash, are stopped or lose their parent; on SQLite, for what they
do there they do everywhere.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from messy_migration.errors import (
    MigrationError,
    SourceError,
)
from messy_migration.model import Partition
from messy_migration.pipeline.cut import Cutting
from messy_migration.workers.crashes import ATTEMPTS
from messy_migration.workers.pool import LocalPool
from messy_migration.workers.task import Briefing, Task
from messy_migration.workspace import Request

FROZEN_SECONDS = 2
ON_SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)

# Every record is a batch; what happens where is said by the bounds of the partition.
PLUGIN = """
import os, signal, time
import pyarrow as pa
from messy_migration.errors import SourceError
from messy_migration.hookspecs import hookimpl
from messy_migration.model import Column, ColumnType, Frame, Stream, Table

TABLE = Table("t", (Column("part", ColumnType("text")), Column("n", ColumnType("int32"))))

@hookimpl
def streams(settings):
    return [Stream("pooled.s", (TABLE,))]

@hookimpl
def extract(stream, partition, settings):
    bounds = partition.bounds
    with open(bounds["mark"], "a+") as file:
        file.write(f"{os.getpid()}\\n")
        file.seek(0)
        attempt = len(file.readlines())
    for n in range(bounds["records"]):
        if n == 3 and attempt <= bounds.get("deaths", 0):
            die(bounds["how"])
        if n == 3 and bounds.get("how") == "error":
            raise SourceError("the file ends early", partition.name, next="look at it")
        if n == 3 and bounds.get("how") == "defect":
            raise RuntimeError("somebody@example.org")
        time.sleep(bounds.get("pause", 0))
        data = {"part": pa.array([partition.name]), "n": pa.array([n], pa.int32())}
        yield Frame(pa.table(data))

@hookimpl
def transform(batch):
    bounds = batch.partition.bounds
    if batch.table.num_rows > bounds.get("most", 1000):
        die("kill")
    if bounds.get("poison") in batch.table["n"].to_pylist():
        die(bounds["how"])

def die(how):
    match how:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "abort":
            os.abort()
        case "exit":
            os._exit(7)
        case "leave":
            os._exit(0)
"""
ORPHANS = """
import pickle, sys
from messy_migration.workers.pool import LocalPool
briefing, tasks = pickle.load(sys.stdin.buffer)
with LocalPool(briefing, 2) as pool:
    list(pool.run(tasks, lambda: None, lambda: False))
"""


@pytest.fixture
def pool_of(site, tmp_path, monkeypatch, table_of, warm_workers):
    """A function that makes a pool of workers on the target: `pool_of(workers)`."""
    folder = tmp_path / "site"
    info = folder / "mm_test_pooled-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "mm_test_pooled.py").write_text(textwrap.dedent(PLUGIN))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mm-test-pooled\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[messy_migration]\npooled = mm_test_pooled\n")
    monkeypatch.syspath_prepend(str(folder))
    config = tmp_path / "migrate.toml"
    config.write_text(
        f'[profiles.default]\ntarget = "{site.target.engine.url}"\nplugins = ["pooled"]\n'
    )
    site.create(table_of("t", {"part": "text", "n": "int32"}))
    briefing = Briefing(
        request=Request(config=config),
        run_id="run",
        epoch=1,
        fresh=frozenset({("t", ())}),
        cutting=Cutting(1, 1 << 20),
    )

    def make(workers=1, records=1):
        cut = replace(briefing, cutting=Cutting(records, 1 << 20))
        return LocalPool(cut, workers, FROZEN_SECONDS, warm_workers)

    return make


@pytest.fixture
def task(tmp_path):
    """A function that makes a task: `task(name, records, **what_happens)`."""

    def make(name, records=5, **bounds):
        bounds |= {"records": records, "mark": str(tmp_path / f"{name}.pids")}
        return Task("pooled.s", "", "plan", Partition(name, f"digest of {name}", bounds))

    return make


def pids(one):
    mark = Path(one.partition.bounds["mark"])
    return [int(line) for line in mark.read_text().split()] if mark.exists() else []


def done(pool, tasks, should_stop=lambda: False):
    with pool:
        found = list(pool.run(tasks, lambda: None, should_stop))
    return sorted(found, key=lambda item: item.task.partition.name)


@ON_SQLITE
def test_all_tasks_are_done_by_as_many_workers_as_there_are(site, pool_of, task):
    tasks = [task(name) for name in "abcd"]
    found = done(pool_of(2), tasks)
    assert [item.error for item in found] == [None] * 4
    assert site.rows("t", order="1, 2") == [(name, n) for name in "abcd" for n in range(5)]
    workers = {pid for one in tasks for pid in pids(one)}
    assert len(workers) == 2
    assert os.getpid() not in workers


@ON_SQLITE
def test_a_worker_that_dies_costs_one_attempt_of_one_task(site, pool_of, task):
    tasks = [task("a", deaths=1, how="kill"), task("b")]
    assert [item.complete for item in done(pool_of(1), tasks)] == [True, True]
    assert site.rows("t", order="1, 2") == [(name, n) for name in "ab" for n in range(5)]
    first, second = pids(tasks[0])
    assert first != second
    assert pids(tasks[1]) == [second]


@ON_SQLITE
@pytest.mark.parametrize(
    "how, why", [("kill", r"signal 9 \(SIGKILL\).*memory"), ("exit", "exit status 7.*pooled")]
)
def test_a_piece_that_kills_every_worker_is_given_up_and_the_others_are_done(
    site, pool_of, task, how, why
):
    tasks = [task("a", deaths=9, how=how), task("b")]
    bad, good = done(pool_of(2), tasks)
    assert (bad.complete, good.complete, good.error) == (False, True, None)
    with pytest.raises(MigrationError, match=why):
        raise bad.error
    assert "died again and again" in bad.error.what
    assert "pooled.s, a" in bad.error.where
    assert len(pids(tasks[0])) == ATTEMPTS
    # What was committed before stays, once.
    assert [n for name, n in site.rows("t", order="1, 2") if name == "a"] in (
        [0],
        [0, 1],
        [0, 1, 2],
    )


@ON_SQLITE
def test_a_frozen_worker_costs_one_attempt_of_one_task(site, pool_of, task):
    tasks = [task("a", deaths=1, how="freeze"), task("b")]
    assert [item.complete for item in done(pool_of(2), tasks)] == [True, True]
    assert site.rows("t", order="1, 2") == [(name, n) for name in "ab" for n in range(5)]
    assert len(pids(tasks[0])) == 2


@ON_SQLITE
def test_a_worker_that_waits_for_long_is_not_frozen(site, pool_of, task):
    one = task("a", records=2, pause=FROZEN_SECONDS + 1)
    assert [item.complete for item in done(pool_of(), [one])] == [True]
    assert len(pids(one)) == 1


@ON_SQLITE
@pytest.mark.parametrize(
    "how, why",
    [
        ("kill", "signal 9 (SIGKILL)"),
        ("abort", "signal 6 (SIGABRT)"),
        ("leave", "exit status 0"),
    ],
)
def test_a_record_that_workers_die_of_costs_that_record(site, pool_of, task, how, why):
    one = task("a", records=8, poison=5, how=how)
    (found,) = done(pool_of(records=4), [one])
    assert (found.complete, found.error) == (True, None)
    assert site.rows("t", order="2") == [("a", n) for n in range(8) if n != 5]
    ((rule, reason, payload),) = site.entries("quarantine", "rule", "reason", "payload")
    assert rule == "core.crash"
    assert why in reason
    assert '"n": 5' in payload
    counts = site.entries("receipt", "extracted", "loaded", "quarantined")
    assert [sum(column) for column in zip(*counts, strict=True)] == [8, 7, 1]


@ON_SQLITE
def test_a_batch_that_is_too_large_for_the_machine_is_committed_in_parts(site, pool_of, task):
    (found,) = done(pool_of(records=8), [task("a", records=10, most=2)])
    assert (found.complete, found.error) == (True, None)
    assert site.rows("t", order="2") == [("a", n) for n in range(10)]
    assert site.entries("quarantine", "rule") == []
    receipts = site.entries("receipt", "extracted", "ordinal", "last")
    assert sorted(receipts) == [(2, 0, 0)] * 4 + [(2, 1, 1)]


@ON_SQLITE
def test_parts_that_are_committed_stay_so_in_a_later_run(site, pool_of, task):
    one = task("a", records=8, poison=7, how="exit")
    # Where the stop falls between two deaths, the task is not begun again and not heard of.
    stopped = done(pool_of(records=8), [one], lambda: site.entries("receipt", "batch_id"))
    assert not any(item.complete for item in stopped)
    before = site.entries("receipt", "batch_id")
    assert 0 < len(before) < 4
    (found,) = done(pool_of(records=8), [one])
    assert found.complete
    assert set(before) < set(site.entries("receipt", "batch_id"))
    assert site.rows("t", order="2") == [("a", n) for n in range(7)]


@ON_SQLITE
def test_an_error_in_a_worker_comes_back_as_itself(pool_of, task):
    ours, theirs = done(pool_of(), [task("a", how="error"), task("b", how="defect")])
    assert isinstance(ours.error, SourceError)
    assert str(ours.error) == "the file ends early [a]. Next: look at it"
    assert "'pooled' failed in its hook 'extract'" in theirs.error.what
    assert "example.org" not in str(theirs.error)


@ON_SQLITE
def test_a_stop_ends_tasks_after_their_batch_and_begins_no_other(site, pool_of, task):
    tasks = [task("a", records=10_000, pause=0.02), task("b")]

    def should_stop():
        return len(site.entries("receipt", "batch_id")) >= 2

    (stopped,) = done(pool_of(), tasks, should_stop)
    assert (stopped.complete, stopped.error) == (False, None)
    assert pids(tasks[1]) == []
    rows = site.rows("t", order="2")
    assert rows == [("a", n) for n in range(len(rows))]
    assert 2 <= len(rows) == len(site.entries("receipt", "batch_id")) < 10_000


@ON_SQLITE
def test_a_pool_that_is_left_early_leaves_no_worker(pool_of, task, until, is_alive):
    tasks = [task(name, records=10_000, pause=0.02) for name in "ab"]

    def pulse():
        if all(map(pids, tasks)):
            raise InterruptedError

    def leave():
        with pool_of(2) as pool:
            list(pool.run(tasks, pulse, lambda: False))

    with pytest.raises(InterruptedError):
        leave()
    until(lambda: not any(is_alive(pid) for one in tasks for pid in pids(one)))


@ON_SQLITE
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only")
def test_workers_die_with_their_parent(tmp_path, pool_of, task, until, is_alive):
    tasks = [task(name, records=100_000, pause=5) for name in "ab"]
    briefing = pool_of().briefing
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    with subprocess.Popen(
        [sys.executable, "-c", ORPHANS], stdin=subprocess.PIPE, env=environment
    ) as parent:
        parent.stdin.write(pickle.dumps((briefing, tasks)))
        parent.stdin.close()
        until(lambda: all(map(pids, tasks)))
        workers = [pids(one)[0] for one in tasks]
        assert all(map(is_alive, workers))
        parent.send_signal(signal.SIGKILL)
    until(lambda: not any(map(is_alive, workers)))
