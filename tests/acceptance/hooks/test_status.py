"""How far a run is while it goes on, as another terminal sees it."""

from __future__ import annotations

import json
import threading
import time

import pytest

SLOW = """
import time
@hookimpl
def streams(): return [Stream("src.s", (table("s"),))]
@hookimpl
def partitions():
    return [Partition(f"part {n}", f"{n:064x}", {"start": n * 10}, records=RECORDS) for n in (0, 1)]
@hookimpl
def extract(partition):
    for row in range(6):
        yield frame("a", start=partition.bounds["start"] + row)
        while row >= 4 and partition.bounds["start"] and not os.path.exists("go"):
            time.sleep(0.02)
"""


@pytest.fixture
def running(project):
    """A function that starts a run which stands still at record 10 of 12 until `go` is there."""

    def start(records):
        project.install("src", SLOW.replace("RECORDS", records))
        project.configure(profile="batch_records = 2")
        run = project.start("run", "--json")
        end = time.monotonic() + 60
        while committed(project) < 10:
            assert time.monotonic() < end
            time.sleep(0.05)
        return run

    return start


def committed(project):
    if not (project.folder / "m.db").exists():
        return 0
    try:
        query = f"SELECT coalesce(sum(extracted), 0) FROM {project.ledger('receipt')}"
        return project.query(query)[0][0]
    except Exception:  # noqa: BLE001 - the ledger is being made
        return 0


def test_a_run_under_way_says_done_of_total_rate_and_time_left(project, running):
    run = running("6")
    try:
        found = project.migrate("status", "--json").json["progress"]
        text = project.migrate("status").out
    finally:
        (project.folder / "go").touch()
        result = run.wait()
    result.matched()
    assert (found["done"], found["total"]) == (10, 12)
    assert (found["partitions_done"], found["partitions"]) == (1, 2)
    assert found["run_id"] == result.json["run_id"]
    assert found["rate"] > 0
    assert found["seconds_left"] == pytest.approx(2 / found["rate"], rel=0.2, abs=0.1)
    assert "10 of 12 records (83 %), 1 of 2 partitions" in text
    assert "left" in text
    assert project.migrate("status", "--json").json["progress"] is None


def test_where_a_source_does_not_say_its_total_none_is_made_up(project, running):
    run = running("None")
    try:
        found = project.migrate("status", "--json").json["progress"]
    finally:
        (project.folder / "go").touch()
        run.wait().matched()
    assert (found["done"], found["total"], found["seconds_left"]) == (10, None, None)


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_watch_shows_it_until_the_run_ends(project, running, option):
    run = running("6")
    later = threading.Timer(1.0, (project.folder / "go").touch)
    later.start()
    result = project.migrate("status", "--watch", *option)
    assert run.wait().matched()
    assert result.code == 0, result.err
    if option:
        lines = [json.loads(line) for line in result.out.splitlines()]
        assert lines[0]["progress"]["done"] == 10
        assert lines[-1]["progress"] is None
        assert lines[-1]["runs"][0]["verdict"] == "MATCH"
    else:
        assert "10 of 12 records (83 %)" in result.out.splitlines()[0]
        assert "MATCH" in result.out
