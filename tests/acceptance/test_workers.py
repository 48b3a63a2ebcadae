"""However many workers there are and whatever kills them, the target ends up the same."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter

import pytest

from .processes import all_end, descendants

KILLS = 5


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def by_workers(request, new_site, busy_data):
    """Workers -> (result, receipts, rows, quarantine) of a run with so many."""
    found = {}
    for workers in (1, 2, 4):
        with new_site(request.param, busy_data) as site:
            result = site.run("--workers", str(workers))
            receipt, quarantine = site.ledger("receipt"), site.ledger("quarantine")
            found[workers] = (
                result,
                site.query(
                    f"SELECT stream, pid, started_at, committed_at FROM {receipt}"
                    " WHERE kind IN ('load', 'displaced')"
                ),
                site.rows("flights"),
                site.query(f"SELECT rule, column_name, payload FROM {quarantine}"),
            )
    return found


def test_one_two_and_four_workers_give_equal_fingerprints(by_workers, undisturbed):
    for result, *_ in by_workers.values():
        assert result.matched().fingerprints == undisturbed


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_work_on_one_stream_at_the_same_time(by_workers, workers):
    spans = [row[1:] for row in by_workers[workers][1] if row[0] == "files.flights"]
    assert 2 <= len({pid for pid, *_ in spans}) <= workers
    assert any(
        pid != other and start < end_of_other and start_of_other < end
        for pid, start, end in spans
        for other, start_of_other, end_of_other in spans
    )


def test_one_worker_is_one_process(by_workers):
    result, receipts, *_ = by_workers[1]
    assert result.json["workers"] == 1
    assert len({pid for _, pid, *_ in receipts}) == 1


def test_a_doubled_key_costs_the_same_records_whatever_the_number_of_workers(by_workers):
    for result, *_ in by_workers.values():
        counts = result.stream("files.flights")
        assert counts["filters"] == {"core.duplicate": 8}
        assert (counts["extracted"], counts["quarantined"], counts["filtered"]) == (4800, 8, 8)
        assert counts["loaded"] == 4800 - 8 - 8


def test_of_two_records_that_contradict_each_other_the_loser_is_in_quarantine(by_workers):
    for _, _, rows, quarantine in by_workers.values():
        notes = Counter(row[7] for row in rows if row[7].startswith("variant"))
        assert len(quarantine) == 8
        assert {row[0] for row in quarantine} == {"core.duplicate_key"}
        payloads = " ".join(payload for *_, payload in quarantine)
        for number in range(8):
            names = {f"variant {number} A", f"variant {number} B"}
            (winner,) = names & set(notes)
            (loser,) = names - {winner}
            assert notes[winner] == 1
            assert payloads.count(loser) == 1
            assert winner not in payloads


def committed(site):
    """How many batches have a receipt."""
    return site.query(f"SELECT count(*) FROM {site.ledger('receipt')} WHERE kind = 'load'")[0][0]


def is_as_undisturbed(site, result, undisturbed):
    """Same target, and every record accounted for once."""
    assert result.matched().fingerprints == undisturbed
    for name in ("flights", "sales"):
        counts = result.stream(f"files.{name}")
        assert counts["extracted"] == len(site.data.rows(name))
        parts = counts["loaded"] + counts["quarantined"] + counts["filtered"]
        assert counts["extracted"] == parts
    assert committed(site) == site.data.batches


@pytest.mark.parametrize("victims", ["parent first", "worker first"])
def test_kill_9_at_five_moments_each_between_two_batches_changes_nothing(
    busy_site, undisturbed, victims
):
    site, total = busy_site, busy_site.data.batches
    chance = random.Random(f"{site.kind} {victims}")
    is_parent = victims == "parent first"
    run, begun, share = None, 0, total // (KILLS + 2)
    for moment in range(KILLS):
        run = run or site.start("run", "--json", "--workers", "2")
        # Of a run that begins with more than is wanted, some worker has to commit first.
        wanted = max(moment * share + chance.randrange(1, share), begun + 1)
        site.wait_for_commits(wanted)
        if is_parent:
            alive = descendants(run)
            run.signal(signal.SIGKILL)
            assert run.wait().code == -signal.SIGKILL
            assert len(alive) >= 2
            assert all_end(alive), "workers outlived their parent"
            run, begun = None, committed(site)
        else:
            kill_a_worker(site, run)
        assert wanted <= committed(site) < total, "the kill did not come between two batches"
        is_parent = not is_parent
    result = run.wait() if run else site.run("--workers", "2")
    assert result.json["resumed"] is True
    is_as_undisturbed(site, result, undisturbed)


def kill_a_worker(site, run):
    """Kill the one that committed last."""
    pids = f"SELECT pid FROM {site.ledger('receipt')} ORDER BY seq DESC"
    alive = descendants(run)
    victim = next(pid for (pid,) in site.query(pids) if pid in alive)
    os.kill(victim, signal.SIGKILL)
    assert all_end([victim])


def test_sigterm_and_sigint_leave_no_process_and_the_same_command_resumes(busy_site, undisturbed):
    site, done = busy_site, 0
    for number, code, group in ((signal.SIGTERM, 143, False), (signal.SIGINT, 130, True)):
        run = site.start("run", "--json", "--workers", "2")
        site.wait_for_commits(done + 3)
        alive = descendants(run)
        run.signal(number, group=group)
        result = run.wait()
        assert result.code == code, result.err
        assert len(alive) >= 2
        assert all_end(alive), "workers outlived their parent"
        assert result.json["verdict"] == "UNKNOWN"
        assert "resumes" in result.out
        assert done + 3 <= committed(site) < site.data.batches
        done = committed(site)
    is_as_undisturbed(site, site.run("--workers", "2"), undisturbed)


def test_while_a_run_holds_the_target_nobody_else_writes_or_judges(busy_site, undisturbed):
    site = busy_site
    run = site.start("run", "--json", "--workers", "2")
    site.wait_for_commits()
    # Stopped, not ended: it is under way for as long as the test looks at it.
    run.signal(signal.SIGSTOP, group=True)
    (run_id,) = site.query(f"SELECT run_id FROM {site.ledger('run')}")[0]
    second = site.run()
    assert second.code == 75
    error = second.json["error"]
    assert error["kind"] == "Locked"
    assert run_id[:8] in error["why"]
    assert f"on {os.uname().nodename}" in error["why"]
    assert f"process {run.pid}" in error["why"]
    assert second.err.startswith("error: another run holds the target")
    judged = site.reconcile()
    assert judged.code == 75
    assert "verdict" not in judged.json
    status = site.migrate("status")
    assert status.code == 0
    lines = [line.split() for line in status.out.splitlines()]
    assert [line[1] for line in lines if line[:1] == [run_id[:13]]] == ["running"]
    assert f"process {run.pid}" in status.out
    run.signal(signal.SIGCONT, group=True)
    is_as_undisturbed(site, run.wait(), undisturbed)
