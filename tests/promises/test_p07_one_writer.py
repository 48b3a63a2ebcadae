"""One run at a time: ten that start at once, an owner that was killed, and an orphan that wakes."""

from __future__ import annotations

import copy
import os
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from .faults.oracle import findings
from .faults.site import until

REFUSED_SECONDS = 2.0
FREED_SECONDS = 1.0
TEN = 10
STOPPED = [{"point": "run.opened", "hit": 1, "action": "stop"}]


def beside(site, name):
    """The same target from another folder, so that outputs and counts stay apart."""
    folder = site.folder.parent / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "faults").mkdir(parents=True)
    shutil.copy(site.folder / "migrate.toml", folder)
    other = copy.copy(site)
    other.folder = folder
    return other


def is_stopped(run):
    return Path(f"/proc/{run.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_of_ten_that_start_at_once_one_wins_and_is_named(ground, kind):
    site, golden = ground(kind)
    began = time.monotonic()
    places = [beside(site, f"run{number}") for number in range(TEN)]
    runs = {place.start(plan=STOPPED): place for place in places}
    ended = {}
    while len(ended) < TEN - 1 and time.monotonic() - began < 60:
        for run in runs:
            if run not in ended and run.ends_within(0.01):
                ended[run] = time.monotonic() - began
    (winner,) = set(runs) - set(ended)
    assert until(lambda: is_stopped(winner), 10)
    assert Counter(run.wait().code for run in ended) == {75: TEN - 1}
    for run in ended:
        error = run.wait().json["error"]
        assert error["kind"] == "Locked"
        assert f"process {winner.pid}" in error["why"]
        assert f"on {os.uname().nodename[:14]}" in error["why"]
        assert "since 20" in error["why"]
    late = beside(site, "late").start()
    began = time.monotonic()
    assert late.ends_within(10)
    took = time.monotonic() - began
    assert late.wait().code == 75
    # As many processes as run here share two processors; the figure is of a quiet machine.
    assert took < REFUSED_SECONDS * max(1, os.getloadavg()[0] / 2)
    os.kill(winner.pid, signal.SIGCONT)
    assert findings(runs[winner], golden, winner.wait()) == []


def test_a_killed_owner_frees_its_target_at_once(ground):
    site, golden = ground("postgres")
    run = site.start()
    assert until(lambda: len(site.backends()) > 2, 30)
    assert run.kill()
    assert until(lambda: not site.is_locked(), 10) < FREED_SECONDS
    assert findings(site, golden, site.finish()) == []


def test_an_orphan_that_wakes_after_a_takeover_commits_nothing(ground):
    site, golden = ground("postgres")
    old = site.start()
    assert until(lambda: len(site.backends()) > 2, 30)
    os.killpg(old.pid, signal.SIGSTOP)
    held = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    assert site.query(held) == [(True,)]
    new_site = beside(site, "new")
    new = new_site.start(plan=STOPPED)
    assert until(lambda: is_stopped(new), 30)
    before = site.query(f"SELECT count(*) FROM {site.ledger('receipt')}")
    os.killpg(old.pid, signal.SIGCONT)
    fenced = old.wait()
    assert fenced.code == 75, fenced.err
    assert "took" in fenced.err
    assert site.query(f"SELECT count(*) FROM {site.ledger('receipt')}") == before
    os.kill(new.pid, signal.SIGCONT)
    result = new.wait()
    assert result.code == 0, result.err
    found = [item for item in findings(site, golden, result) if "asked for" not in item]
    assert [item for item in found if "stray file" not in item] == []
