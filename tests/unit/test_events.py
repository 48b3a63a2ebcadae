"""Observers hear everything in order, and none of them can hold anybody up."""

from __future__ import annotations

import threading
import time

import pytest

from messy_migration import events
from messy_migration.events import Observers, is_heard, listening
from messy_migration.model.event import tell
from messy_migration.model.events import DbReturned, HttpFailed, WorkerDied


def test_who_listens_hears_before_the_log_and_may_change_or_drop(caplog):
    heard = []

    def hear(event):
        heard.append(event)
        return None if event.name == "db.returned" else HttpFailed(place="b", why="y")

    assert not is_heard()
    with listening(hear):
        assert is_heard()
        tell(HttpFailed(place="a", why="x"))
        tell(DbReturned(seconds=1))
    tell(WorkerDied(how="signal 9"))
    assert [event.name for event in heard] == ["http.failed", "db.returned"]
    assert caplog.messages == ["http.failed b: y", "a worker died: signal 9"]


def test_observers_hear_in_order_and_one_that_fails_is_logged(caplog):
    heard = []

    def call(name, event):
        if name == "bad":
            raise SystemExit(3)
        heard.append((event.seconds, threading.current_thread().name))

    observers = Observers(["bad", "good"], call)
    for number in range(50):
        observers.tell(DbReturned(seconds=number))
    observers.close()
    assert heard == [(number, "good") for number in range(50)]
    assert "observer bad failed at db.returned" in caplog.text


def test_one_that_hangs_costs_less_than_a_second_and_no_other_observer_anything(caplog):
    heard, release = [], threading.Event()

    def call(name, event):
        if name == "hangs":
            release.wait(60)
        heard.append(name)

    observers = Observers(["hangs", "good"], call)
    began = time.monotonic()
    for _ in range(3):
        observers.tell(DbReturned(seconds=0))
    observers.close()
    assert time.monotonic() - began < 1
    assert heard.count("good") == 3
    assert "observer hangs did not hear of everything" in caplog.text
    release.set()


def test_one_that_takes_too_long_is_told_nothing_more(caplog, monkeypatch):
    monkeypatch.setattr(events, "CALL_SECONDS", 0.0)
    began, release = threading.Event(), threading.Event()

    def call(_name, _event):
        began.set()
        release.wait(60)

    observers = Observers(["hangs"], call)
    observers.tell(DbReturned(seconds=0))
    assert began.wait(10)
    observers.tell(DbReturned(seconds=1))
    assert "observer hangs hangs, and is told nothing more" in caplog.text
    moment = time.monotonic()
    observers.close()
    assert time.monotonic() - moment < 0.5
    release.set()


def test_what_an_observer_is_too_slow_for_is_said_and_the_rest_goes_on(caplog, monkeypatch):
    monkeypatch.setattr(events, "MOST", 2)
    release = threading.Event()
    observers = Observers(["slow"], lambda _name, _event: release.wait(60))
    for number in range(9):
        observers.tell(DbReturned(seconds=number))
    release.set()
    observers.close()
    assert "observer slow was too slow for" in caplog.text


@pytest.fixture(autouse=True)
def _all_levels(caplog):
    caplog.set_level("INFO")
