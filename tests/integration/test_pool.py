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
from pathlib import Path

import pytest

from messy_migration.errors import Interrupted, MigrationError, SourceError, TargetUnavailable
from messy_migration.model import Partition
from messy_migration.runner.pool import ATTEMPTS, LocalPool, revived
from messy_migration.runner.work import Job, Piece, failure
from messy_migration.runner.workspace import Request

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
            os.kill(os.getpid(), signal.SIGKILL) if bounds["how"] == "kill" else os._exit(7)
        if n == 3 and bounds.get("how") == "error":
            raise SourceError("the file ends early", partition.name, next="look at it")
        if n == 3 and bounds.get("how") == "defect":
            raise RuntimeError("somebody@example.org")
        time.sleep(bounds.get("pause", 0))
        data = {"part": pa.array([partition.name]), "n": pa.array([n], pa.int32())}
        yield Frame(pa.table(data))
"""
ORPHANS = """
import pickle, sys
from messy_migration.runner.pool import LocalPool
job, pieces = pickle.load(sys.stdin.buffer)
with LocalPool(job, 2) as pool:
    list(pool.run(pieces, lambda: None, lambda: False))
"""


@pytest.fixture
def pool_of(site, tmp_path, monkeypatch, table_of):
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
    job = Job(
        request=Request(config=config),
        run_id="run",
        epoch=1,
        fresh=frozenset({("t", ())}),
        batch_records=1,
        batch_bytes=1 << 20,
    )
    return lambda workers=1: LocalPool(job, workers)


@pytest.fixture
def piece(tmp_path):
    """A function that makes a piece: `piece(name, records, **what_happens)`."""

    def make(name, records=5, **bounds):
        bounds |= {"records": records, "mark": str(tmp_path / f"{name}.pids")}
        return Piece("pooled.s", "", "plan", Partition(name, f"digest of {name}", bounds))

    return make


def pids(one):
    mark = Path(one.partition.bounds["mark"])
    return [int(line) for line in mark.read_text().split()] if mark.exists() else []


def done(pool, pieces, should_stop=lambda: False):
    with pool:
        found = list(pool.run(pieces, lambda: None, should_stop))
    return sorted(found, key=lambda item: item.piece.partition.name)


@ON_SQLITE
def test_all_pieces_are_done_by_as_many_workers_as_there_are(site, pool_of, piece):
    pieces = [piece(name) for name in "abcd"]
    assert [item.complete for item in done(pool_of(2), pieces)] == [True] * 4
    assert site.rows("t", order="1, 2") == [(name, n) for name in "abcd" for n in range(5)]
    workers = {pid for one in pieces for pid in pids(one)}
    assert len(workers) == 2
    assert os.getpid() not in workers


@ON_SQLITE
def test_a_worker_that_dies_costs_one_attempt_of_one_piece(site, pool_of, piece):
    pieces = [piece("a", deaths=1, how="kill"), piece("b")]
    assert [item.complete for item in done(pool_of(1), pieces)] == [True, True]
    assert site.rows("t", order="1, 2") == [(name, n) for name in "ab" for n in range(5)]
    first, second = pids(pieces[0])
    assert first != second
    assert pids(pieces[1]) == [second]


@ON_SQLITE
@pytest.mark.parametrize(
    "how, why", [("kill", r"signal 9 \(SIGKILL\).*memory"), ("exit", "exit status 7.*pooled")]
)
def test_a_piece_that_kills_every_worker_is_given_up_and_the_others_are_done(
    site, pool_of, piece, how, why
):
    pieces = [piece("a", deaths=9, how=how), piece("b")]
    bad, good = done(pool_of(2), pieces)
    assert (bad.complete, good.complete, good.error) == (False, True, None)
    with pytest.raises(MigrationError, match=why):
        raise bad.error
    assert f"died {ATTEMPTS} times" in bad.error.what
    assert "pooled.s, a" in bad.error.where
    assert len(pids(pieces[0])) == ATTEMPTS
    # What was committed before stays, once.
    assert [n for name, n in site.rows("t", order="1, 2") if name == "a"] in (
        [0],
        [0, 1],
        [0, 1, 2],
    )


@ON_SQLITE
def test_an_error_in_a_worker_comes_back_as_itself(pool_of, piece):
    ours, theirs = done(pool_of(), [piece("a", how="error"), piece("b", how="defect")])
    assert isinstance(ours.error, SourceError)
    assert str(ours.error) == "the file ends early [a]. Next: look at it"
    assert "'pooled' failed in its hook 'extract'" in theirs.error.what
    assert "example.org" not in str(theirs.error)


@ON_SQLITE
def test_a_stop_ends_pieces_after_their_batch_and_begins_no_other(site, pool_of, piece):
    pieces = [piece("a", records=10_000, pause=0.02), piece("b")]

    def should_stop():
        return len(site.entries("receipt", "batch_id")) >= 2

    (stopped,) = done(pool_of(), pieces, should_stop)
    assert (stopped.complete, stopped.error) == (False, None)
    assert pids(pieces[1]) == []
    rows = site.rows("t", order="2")
    assert rows == [("a", n) for n in range(len(rows))]
    assert 2 <= len(rows) == len(site.entries("receipt", "batch_id")) < 10_000


@ON_SQLITE
def test_a_pool_that_is_left_early_leaves_no_worker(pool_of, piece, until, is_alive):
    pieces = [piece(name, records=10_000, pause=0.02) for name in "ab"]

    def pulse():
        if all(map(pids, pieces)):
            raise InterruptedError

    def leave():
        with pool_of(2) as pool:
            list(pool.run(pieces, pulse, lambda: False))

    with pytest.raises(InterruptedError):
        leave()
    until(lambda: not any(is_alive(pid) for one in pieces for pid in pids(one)))


@ON_SQLITE
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only")
def test_workers_die_with_their_parent(tmp_path, pool_of, piece, until, is_alive):
    pieces = [piece(name, records=100_000, pause=5) for name in "ab"]
    job = pool_of()._job
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    with subprocess.Popen(
        [sys.executable, "-c", ORPHANS], stdin=subprocess.PIPE, env=environment
    ) as parent:
        parent.stdin.write(pickle.dumps((job, pieces)))
        parent.stdin.close()
        until(lambda: all(map(pids, pieces)))
        workers = [pids(one)[0] for one in pieces]
        assert all(map(is_alive, workers))
        parent.send_signal(signal.SIGKILL)
    until(lambda: not any(map(is_alive, workers)))


@pytest.mark.parametrize(
    "error", [SourceError("a", "b", "c", "d"), TargetUnavailable("x"), Interrupted("y", next="z")]
)
def test_an_error_written_down_is_the_same_error_again(error):
    copy = revived(failure(error))
    assert type(copy) is type(error)
    assert copy.as_dict() == error.as_dict()


def test_a_defect_is_told_without_its_message():
    copy = revived(failure(KeyError("somebody@example.org")))
    assert type(copy) is MigrationError
    assert "example" not in str(copy)
    assert "KeyError" in str(copy)
