"""A worker that dies, freezes or runs out of memory costs one attempt of one batch, no more.

And how soon it is noticed: a dead worker within 5 s, a lock without its owner within 1 s.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from .conftest import KINDS, SAMPLED
from .faults.oracle import findings
from .faults.site import ALONE, strike, until

NOTICED_SECONDS = 5.0
LOCK_SECONDS = 1.0
FATAL = 24
"""Number of an order that is loaded, where nobody dies of it."""
LIMIT = 256 << 20
_GROUPS = Path("/sys/fs/cgroup")

ENDS = {
    "exit0": 0,
    "sysexit": 0,
    "abort": 0,
    "stop": 0,
    # An error that cannot be sent is one that nobody foresaw, as any other of its kind.
    "unpicklable": 1,
}
"""How a worker goes -> how the command ends."""


@pytest.fixture
def memory_group():
    """A control group whose processes the kernel kills when they take more than `LIMIT`."""
    is_old = (_GROUPS / "memory").is_dir()
    folder = _GROUPS / ("memory" if is_old else "") / f"mm_faults_{os.getpid()}"
    limit = folder / ("memory.limit_in_bytes" if is_old else "memory.max")
    try:
        folder.mkdir()
        limit.write_text(str(LIMIT))
    except OSError as error:
        with suppress(OSError):
            folder.rmdir()
        pytest.skip(f"no control group for memory can be made here: {error.strerror}")
    yield folder
    assert until(lambda: not (folder / "cgroup.procs").read_text()) is not None
    folder.rmdir()


@pytest.mark.parametrize("kind", SAMPLED)
@pytest.mark.parametrize("way", ENDS)
def test_a_worker_that_goes_in_the_middle_of_a_batch_costs_one_attempt(ground, kind, way):
    site, golden = ground(kind)
    # Its rows are written and not committed.
    plan = [{"point": "copy.after", "hit": golden.hits["copy.after"] // 2, "action": way}]
    result = site.run(*ALONE, plan=plan, environment={"MIGRATE_FROZEN_AFTER": "5"})
    assert len(site.fired()) == 1
    assert result.code == ENDS[way], result.err
    if result.code:
        result = site.finish()
    assert findings(site, golden, result) == []


@pytest.mark.parametrize("kind", SAMPLED)
def test_a_worker_that_the_kernel_kills_for_its_memory_costs_one_attempt(
    ground, kind, memory_group
):
    site, golden = ground(kind)
    plan = [{"point": "validate.after", "hit": 7, "action": f"eat:{memory_group}"}]
    result = site.run(*ALONE, plan=plan)
    assert len(site.fired()) == 1
    assert result.code == 0, result.err
    assert findings(site, golden, result) == []


@pytest.mark.parametrize("kind", SAMPLED)
@pytest.mark.parametrize("way", ["abort", "kill9"])
def test_a_record_that_workers_die_of_costs_that_record(ground, kind, way):
    site, golden = ground(kind)
    result = site.run(*ALONE, environment={"FAULTS_POISON": f"orders {FATAL} {way}"})
    assert len(site.fired()) > 3
    assert result.code == 0, result.err
    assert {(fault["point"], fault["action"]) for fault in site.fired()} == {("poison", way)}
    extracted, loaded, quarantined, filtered = golden.totals["shop.orders"]
    golden = golden.but(
        totals={"shop.orders": (extracted, loaded - 1, quarantined + 1, filtered)},
        quarantine={("shop.orders", "core.crash"): 1},
    )
    lines = len(site.source.lines_of(FATAL))
    assert findings(site, golden, result) == [
        "orders: 1 rows in 1 kinds are lost",
        f"order_lines: {lines} rows in {lines} kinds are lost",
    ]


@pytest.mark.parametrize("spawns", [False, pytest.param(True, marks=pytest.mark.sweep)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_dead_worker_is_noticed_and_a_dead_owner_frees_the_lock(ground, kind, spawns):
    site, golden = ground(kind)
    site.spawns = spawns
    run = site.start()
    assert until(lambda: site.hits("batch.before") >= 2) is not None
    before = set(run.workers())
    victim = min(before)
    assert strike(victim)
    noticed = until(lambda: set(run.workers()) - before, NOTICED_SECONDS)
    assert noticed is not None, f"no new worker within {NOTICED_SECONDS} s"
    assert site.is_locked()
    assert run.kill()
    freed = until(lambda: not site.is_locked(), LOCK_SECONDS)
    assert freed is not None, f"the lock is held {LOCK_SECONDS} s after its owner's death"
    assert run.wait().code == -signal.SIGKILL
    began = time.monotonic()
    assert findings(site, golden, site.finish()) == []
    print(  # noqa: T201 - figures are for people
        f"{kind}: worker replaced after {noticed:.2f} s, lock free after {freed:.3f} s,"
        f" resumed within {time.monotonic() - began:.1f} s"
    )
