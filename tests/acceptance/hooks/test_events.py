"""What observers, the log file and the ledger hear of runs, also of those that cannot begin."""

from __future__ import annotations

import fcntl
import json
import signal
import socket
import time

import pytest

SOURCE = """
@hookimpl
def streams(): return [Stream("src.s", (table("s"),))]
@hookimpl
def extract(): yield frame()
"""

WATCH = """
@hookimpl
def notify(event):
    import json
    with open("heard", "a") as file:
        print(json.dumps(event.as_dict()), file=file)
"""


@pytest.fixture
def watched(project):
    project.install("src", SOURCE)
    project.install("watch", WATCH)
    return project


def heard(project):
    path = project.folder / "heard"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def ends(project):
    """The events that say how a run ended, and with which exit code."""
    named = [event for event in heard(project) if "exit_code" in event]
    return [(event["event"], event["exit_code"]) for event in named]


def kept(project):
    return project.query(f"SELECT name FROM {project.ledger('event')} ORDER BY epoch, number")


def test_an_observer_hears_a_run_from_its_start_to_its_end(watched):
    result = watched.migrate("run", "--json").matched()
    events = heard(watched)
    assert [event["event"] for event in events] == [
        "run.started",
        "batch.committed",
        "run.succeeded",
    ]
    assert {event["run"] for event in events} == {result.json["run_id"]}
    assert (events[1]["stream"], events[1]["loaded"]) == ("src.s", 6)
    assert kept(watched) == [("run.started",), ("run.succeeded",)]
    (stream,) = result.json["streams"]
    assert stream["usage"]["cpu_seconds"] >= 0
    assert stream["usage"]["memory_bytes"] > 1_000_000
    assert stream["usage"]["bytes"] > 0
    assert stream["usage"]["calls"] == 0


def test_reconcile_tells_its_verdict_and_where_it_cannot_begin(watched):
    assert watched.migrate("reconcile").code == 2
    assert ends(watched) == [("reconcile.failed", 2)]
    watched.migrate("run", "--json").matched()
    (watched.folder / "heard").unlink()
    assert watched.migrate("reconcile").code == 0
    assert ends(watched) == [("reconcile.done", 0)]
    watched.execute("UPDATE s SET name = 'zz' WHERE id = 2")
    (watched.folder / "heard").unlink()
    assert watched.migrate("reconcile").code == 8
    assert [event["event"] for event in heard(watched)] == ["reconcile.mismatch", "reconcile.done"]
    assert heard(watched)[0]["tables"] == ["s"]


def test_a_broken_configuration_is_one_end_with_exit_3(watched):
    watched.configure(profile='fingerprint_key = "env://NOT_SET"')
    assert watched.migrate("run").code == 3
    assert [event["event"] for event in heard(watched)] == ["secret.unavailable", "run.failed"]
    assert ends(watched) == [("run.failed", 3)]


def test_a_plugin_that_is_not_there_is_one_end_with_exit_4(watched):
    watched.plugins.append("nobody")
    watched.configure()
    assert watched.migrate("run").code == 4
    assert [event["event"] for event in heard(watched)] == ["plugin.broken", "run.failed"]


def test_exit_5_is_one_end(project):
    project.install(
        "src",
        """
        from messy_migration.errors import SourceUnreachable
        @hookimpl
        def streams(): return [Stream("src.s", (table("s"),))]
        @hookimpl
        def extract():
            raise SourceUnreachable("the source does not answer", "src")
            yield
        """,
    )
    project.install("watch", WATCH)
    assert project.migrate("run").code == 5
    assert ends(project) == [("run.failed", 5)]
    assert [event["event"] for event in heard(project)].count("source.unreachable") == 1
    assert ("source.unreachable",) in kept(project)


def test_exit_6_is_one_end(watched):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        target = f"postgresql://x@127.0.0.1:{closed.getsockname()[1]}/x"
    assert watched.migrate("run", "--target", target).code == 6
    assert [event["event"] for event in heard(watched)] == ["db.unreachable", "run.failed"]
    assert ends(watched) == [("run.failed", 6)]


def test_exit_8_is_one_end(watched):
    watched.migrate("run", "--json").matched()
    watched.execute("UPDATE s SET name = 'zz' WHERE id = 2")
    (watched.folder / "heard").unlink()
    assert watched.migrate("run").code == 8
    assert ends(watched) == [("run.failed", 8)]


def test_exit_75_is_one_end_from_before_the_lock(watched):
    watched.migrate("run", "--json").matched()
    (watched.folder / "heard").unlink()
    with (watched.folder / "m.db.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert watched.migrate("run").code == 75
    assert [event["event"] for event in heard(watched)] == ["run.failed"]
    assert ends(watched) == [("run.failed", 75)]


def test_exit_130_is_one_end(project):
    project.install(
        "src",
        """
        import time
        @hookimpl
        def streams(): return [Stream("src.s", (table("s"),))]
        @hookimpl
        def extract():
            open("begun", "w").close()
            for number in range(3000):
                time.sleep(0.02)
                yield frame("a", start=number)
        """,
    )
    project.install("watch", WATCH)
    project.configure(profile="batch_records = 5")
    run = project.start("run", "--log-format", "json")
    until((project.folder / "begun").exists)
    run.signal(signal.SIGINT)
    result = run.wait()
    assert result.code == 130
    assert ends(project) == [("run.failed", 130)]
    lines = [json.loads(line) for line in result.err.splitlines()]
    assert [line["event"] for line in lines].count("run.failed") == 1
    assert len({line["run"] for line in lines}) == 1


def test_a_killed_worker_is_one_line_and_no_batch_goes_untold(project):
    project.install(
        "src",
        """
        @hookimpl
        def streams(): return [Stream("src.s", (table("s"),))]
        @hookimpl
        def extract():
            for number in range(40):
                if number == 20 and not os.path.exists("died"):
                    open("died", "w").close()
                    os.kill(os.getpid(), 9)
                yield frame("a", start=number)
        """,
    )
    project.configure(profile="batch_records = 3")
    result = project.migrate("run", "--log-format", "json")
    assert result.code == 0, result.err
    lines = [json.loads(line) for line in result.err.splitlines()]
    (death,) = [line for line in lines if line["event"] == "worker.died"]
    assert (death["stream"], death["how"]) == ("src.s", "signal 9 (SIGKILL)")
    batches = [line["batch"] for line in lines if line["event"] == "batch.committed"]
    receipts = project.query(f"SELECT batch_id FROM {project.ledger('receipt')}")
    assert sorted(batches) == sorted(batch for (batch,) in receipts)
    assert ("worker.died",) in kept(project)


def test_a_batch_whose_worker_died_before_it_could_say_so_is_told_by_the_run(project):
    project.install(
        "src",
        """
        import logging
        @hookimpl
        def streams(): return [Stream("src.s", (table("s"),))]
        @hookimpl
        def extract():
            channel = logging.getLogger("messy_migration.events")
            if channel.handlers and not os.path.exists("died"):
                def dies(record):
                    if record.told.name == "batch.committed":
                        open("died", "w").close()
                        os.kill(os.getpid(), 9)
                    return True
                channel.addFilter(dies)
            yield frame()
        """,
    )
    result = project.migrate("run", "--log-format", "json")
    assert result.code == 0, result.err
    lines = [json.loads(line) for line in result.err.splitlines()]
    (line,) = [line for line in lines if line["event"] == "batch.committed"]
    assert (line["loaded"], line["inserted"], line["partition"]) == (6, 6, "all")
    assert (project.folder / "died").exists()


def test_an_observer_that_hangs_for_a_minute_costs_the_run_less_than_a_second(project):
    project.install("src", SOURCE)
    began = time.monotonic()
    project.migrate_apart("run", "--json").matched()
    alone = time.monotonic() - began
    (project.folder / "m.db").unlink()
    project.install(
        "hangs",
        """
        import time
        @hookimpl
        def notify(event): time.sleep(60)
        """,
    )
    runs = []
    for _ in range(2):  # a busy machine makes one of them slow
        began = time.monotonic()
        result = project.migrate_apart("run", "--json")
        runs.append(time.monotonic() - began)
        assert result.code == 0, result.err
    assert "observer hangs did not hear of everything" in result.err
    assert min(runs) < alone + 1


def test_the_log_file_has_every_line_as_json_and_no_secret(project):
    canary = "canary-57e1-secret"
    project.install("src", SOURCE)
    project.install(
        "watch",
        """
        import logging
        @hookimpl
        def validate(table):
            logging.getLogger("watch").warning("token=%s", os.environ["MM_TEST_SECRET"])
        @hookimpl
        def resolve_secret(reference): return None
        """,
    )
    project.configure(
        profile='log_file = "m.log"\nfingerprint_key = "env://MM_TEST_SECRET"',
    )
    key = canary * 3
    result = project.migrate("run", "--json", MM_TEST_SECRET=key)
    assert result.code == 0, result.err
    text = (project.folder / "m.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["run"] for line in lines} == {result.json["run_id"]}
    assert [line["event"] for line in lines].count("run.succeeded") == 1
    assert any(line["event"].startswith("token=") for line in lines), "the worker's own lines"
    assert canary not in text + result.err + result.out


@pytest.mark.parametrize("place", ["missing/m.log", "folder"])
def test_a_log_file_that_cannot_be_written_is_exit_3_before_anything_is_read(project, place):
    project.install(
        "src",
        """
        @hookimpl
        def streams():
            open("read", "w").close()
            return []
        """,
    )
    (project.folder / "folder").mkdir()
    project.configure(profile=f'log_file = "{place}"')
    result = project.migrate("run")
    assert result.code == 3
    assert "the log file cannot be written" in result.errors[0]
    assert not (project.folder / "read").exists()
    assert not (project.folder / "m.db").exists()


def test_an_event_that_was_edited_in_the_ledger_is_found(watched):
    watched.migrate("run", "--json").matched()
    assert watched.migrate("reconcile").code == 0
    table = watched.ledger("event")
    watched.execute(f"UPDATE {table} SET facts = '{{}}' WHERE name = 'run.started'")
    result = watched.migrate("reconcile")
    assert result.code == 8
    assert "a row of event is not what runs have written" in result.text


def until(is_so, seconds=60.0):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
