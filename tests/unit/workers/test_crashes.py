"""What is tried after workers died: the same again, in halves, not at all."""

from __future__ import annotations

from messy_migration.model import Partition
from messy_migration.pipeline.halves import Span
from messy_migration.workers.crashes import ATTEMPTS, LIMIT, Crashes
from messy_migration.workers.task import Task

TASK = Task("a.s", "", "plan", Partition("p", "digest", {}))


def after(deaths, task, span, times):
    """The task after so many deaths on one span, None once it is given up."""
    for _ in range(times):
        task = task and deaths.after(task, span, "killed")
    return task


def test_a_batch_is_tried_again_before_it_is_held_against_it():
    assert after(Crashes(), TASK, Span(4, 0, 10), ATTEMPTS - 1) == TASK


def test_a_batch_that_costs_too_many_is_taken_in_halves():
    task = after(Crashes(), TASK, Span(4, 0, 10), ATTEMPTS)
    assert task.fatal == (Span(4, 0, 10),)
    assert task.death == "killed"


def test_a_half_of_such_a_batch_is_halved_at_once_and_a_single_record_is_not():
    deaths = Crashes()
    task = after(deaths, TASK, Span(4, 0, 4), ATTEMPTS)
    task = after(deaths, task, Span(4, 0, 2), 1)
    assert task.fatal == (Span(4, 0, 4), Span(4, 0, 2))
    single = after(deaths, task, Span(4, 1, 2), ATTEMPTS - 1)
    assert single == task
    assert after(deaths, single, Span(4, 1, 2), 1).fatal[-1] == Span(4, 1, 2)


def test_deaths_while_extracting_are_no_fault_of_a_record():
    deaths = Crashes()
    assert after(deaths, TASK, Span(2, 0, 0), ATTEMPTS - 1) == TASK
    # Another batch was committed meanwhile: the count begins again.
    assert after(deaths, TASK, Span(3, 0, 0), ATTEMPTS - 1) == TASK
    assert after(deaths, TASK, Span(3, 0, 0), 1) is None


def test_a_record_that_kills_even_on_its_way_to_quarantine_ends_its_partition():
    deaths = Crashes()
    task = after(deaths, TASK, Span(0, 0, 1), ATTEMPTS)
    assert task.fatal == (Span(0, 0, 1),)
    assert after(deaths, task, Span(0, 0, 1), 1) is None


def test_a_partition_that_kills_without_end_is_given_up():
    deaths = Crashes()
    task = TASK
    for ordinal in range(LIMIT - 1):
        task = deaths.after(task, Span(ordinal, 0, 5), "killed")
    assert task == TASK
    assert deaths.after(task, Span(LIMIT, 0, 5), "killed") is None
