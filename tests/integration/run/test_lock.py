"""One writer: the lock of the living, the epoch against the dead, and the end of left-overs."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from messy_migration.databases.open import open_target
from messy_migration.errors import Locked, TargetBusy, TargetError, TargetUnavailable
from messy_migration.ledger import fence

# A process that holds the lock of a target until it is killed.
HOLDER = """
import sys
from sqlalchemy import make_url
from messy_migration.databases.open import open_target
target = open_target(make_url(sys.argv[1]), "mm:holder")
with target.dialect.lock(target.engine) as held:
    print(held is not None and held(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(url):
    """A process that has the lock."""
    shown = url.render_as_string(hide_password=False)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, shown],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def is_free(site):
    with site.dialect.lock(site.target.engine) as held:
        return held is not None and held()


def test_the_second_holder_is_told_no_until_the_first_is_killed(bare_site, holder, until):
    assert not is_free(bare_site)
    assert not is_free(bare_site)
    holder.kill()
    holder.wait()
    until(lambda: is_free(bare_site))


def test_the_lock_excludes_within_one_process_and_is_given_back(bare_site):
    other = open_target(bare_site.target.engine.url, "mm:other")
    with bare_site.dialect.lock(bare_site.target.engine) as held:
        assert held()
        with other.dialect.lock(other.engine) as second:
            assert second is None
    with other.dialect.lock(other.engine) as third:
        assert third()


def test_the_lock_is_given_back_when_the_run_fails(bare_site):
    def fail():
        with bare_site.dialect.lock(bare_site.target.engine) as held:
            raise KeyError(held())

    with pytest.raises(KeyError, match="True"):
        fail()
    assert is_free(bare_site)


def test_a_child_that_outlives_the_holder_does_not_keep_the_lock(bare_site, until):
    """The file of a flock must not be inherited."""
    with bare_site.dialect.lock(bare_site.target.engine):
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            close_fds=False,
        )
    try:
        until(lambda: is_free(bare_site))
    finally:
        child.stdin.close()
        child.wait(30)


def test_locks_of_two_targets_do_not_meet(tmp_path):
    one, two = (open_target(make_url(f"sqlite:///{tmp_path / name}"), "mm") for name in ("a", "b"))
    with one.dialect.lock(one.engine) as first, two.dialect.lock(two.engine) as second:
        assert first()
        assert second()


def test_a_lock_file_that_cannot_be_is_an_error_with_its_path(tmp_path):
    target = open_target(make_url(f"sqlite:///{tmp_path / 'missing' / 'x.db'}"), "mm")
    with pytest.raises(TargetError, match="lock file"), target.dialect.lock(target.engine):
        pytest.fail("it was locked")


def test_a_lock_whose_connection_died_says_so_and_is_left_in_peace(postgres_url):
    url = make_url(postgres_url)
    target, other = (open_target(url, name) for name in ("mm:holder", "mm:other"))
    with target.dialect.lock(target.engine) as held:
        assert held()
        with other.engine.begin() as connection:
            target.dialect.end_others(connection, "mm:other")
        assert not held()
    assert is_free_again(other)


def is_free_again(target):
    with target.dialect.lock(target.engine) as held:
        return held is not None


def test_a_target_that_does_not_answer_cannot_be_locked(postgres_url):
    url = make_url(postgres_url).set(port=1)
    target = open_target(url, "mm")
    with pytest.raises(TargetUnavailable), target.dialect.lock(target.engine):
        pytest.fail("it was locked")


def check(site, epoch):
    with site.begin() as connection:
        fence.check(connection, site.ledger, epoch)


def test_epochs_only_rise_and_older_ones_are_fenced_off(site):
    check(site, 1)
    with site.begin() as connection:
        assert fence.raise_epoch(connection, site.ledger) == 2
    with pytest.raises(Locked, match="newer run") as caught:
        check(site, 1)
    assert caught.value.exit_code == 75
    check(site, 2)
    with pytest.raises(Locked):
        check(site, 3)


def test_an_epoch_that_is_rolled_back_was_not_raised(site):
    with site.target.engine.connect() as connection, connection.begin() as transaction:
        assert fence.raise_epoch(connection, site.ledger) == 2
        transaction.rollback()
    check(site, 1)


def test_no_batch_can_commit_after_the_epoch_was_raised(site):
    """The new run waits for a batch that passed the fence; a batch after it does not pass."""
    raised = threading.Event()

    def take_over():
        with site.begin() as connection:
            fence.raise_epoch(connection, site.ledger)
        raised.set()

    thread = threading.Thread(target=take_over)
    with site.begin() as connection:
        fence.check(connection, site.ledger, 1)
        thread.start()
        assert not raised.wait(0.3)
    assert raised.wait(30)
    thread.join()
    with pytest.raises(Locked):
        check(site, 1)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_two_batches_pass_the_fence_at_once_and_do_not_starve_the_heartbeat(site):
    with site.begin() as one, site.begin() as two, site.begin() as beating:
        for connection in (one, two, beating):
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        for connection in (one, two):
            fence.check(connection, site.ledger, 1)
        fence.beat(beating, site.ledger, fence.Holder("run", "here", 1, "then", ""))


def connected(url, application):
    target = open_target(make_url(url), application)
    connection = target.engine.connect()
    connection.execute(text("SELECT 1"))
    connection.commit()
    return connection


def test_what_dead_runs_left_behind_is_ended_and_nothing_else(postgres_url):
    left_over = connected(postgres_url, "mm:old")
    busy = connected(postgres_url, "mm:older")
    busy.execute(text("SELECT 1"))
    own, foreign = connected(postgres_url, "mm:new"), connected(postgres_url, "psql")
    target = open_target(make_url(postgres_url), "mm:new")
    with target.engine.begin() as connection:
        target.dialect.end_others(connection, "mm:new")
    for connection in (own, foreign):
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
        connection.close()
    for connection in (left_over, busy):
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT 1"))
        connection.close()


def test_a_takeover_ends_a_batch_that_holds_the_fence(postgres_url, until):
    """An orphan inside its transaction is ended before the epoch is raised, not waited for."""
    orphan = connected(postgres_url, "mm:old")
    orphan.exec_driver_sql("CREATE TABLE epoch (epoch integer)")
    orphan.exec_driver_sql("INSERT INTO epoch VALUES (1)")
    orphan.commit()
    orphan.exec_driver_sql("SELECT epoch FROM epoch FOR SHARE")
    target = open_target(make_url(postgres_url), "mm:new")
    with target.engine.begin() as connection:
        target.dialect.end_others(connection, "mm:new")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
        connection.exec_driver_sql("UPDATE epoch SET epoch = 2")
    with pytest.raises(OperationalError):
        orphan.exec_driver_sql("SELECT 1")
    orphan.close()


def test_the_lock_for_a_key_is_waited_for_and_who_has_it_is_named(postgres_url, table_of):
    table = table_of("t", {"id": "int32"}, ("id",))
    target = open_target(make_url(postgres_url), "mm:run", lock_seconds=0.3)
    reader = connected(postgres_url, "nightly dump")
    reader.exec_driver_sql("CREATE TABLE t (id integer)")
    reader.commit()
    pid = reader.exec_driver_sql("SELECT pg_backend_pid() FROM (SELECT count(*) FROM t) n").scalar()
    late = target.dialect.late_keys
    for act in (late.lock, late.add):
        with pytest.raises(TargetBusy) as caught, target.engine.begin() as connection:
            act(connection, table)
        assert f"held by process {pid} (nightly dump)" in caught.value.why
        assert caught.value.exit_code == 6
    reader.rollback()
    with target.engine.begin() as connection:
        late.lock(connection, table)
        late.add(connection, table)
    reader.close()
