"""A process tells the run which receipts of its lane it has committed."""

from __future__ import annotations

from messy_migration.ledger.lanes import Item, Lane, broken


class Connection:
    """A connection whose transaction is `transaction`."""

    def __init__(self, transaction):
        self.transaction = transaction

    def get_transaction(self):
        return self.transaction


def write(lane, transaction, digest):
    slot = lane.slot(Connection(transaction))
    lane.wrote(slot, digest)
    return slot


def test_only_what_was_committed_is_told():
    lane = Lane()
    write(lane, "one", "a")
    assert lane.heads == {}
    write(lane, "one", "b")
    lane.settle()
    assert lane.heads == {lane.name: (2, "b")}
    write(lane, "two", "c")
    assert lane.heads == {lane.name: (2, "b")}


def test_behind_a_commit_of_which_nobody_knows_a_new_lane_begins_and_both_are_told():
    lane = Lane()
    write(lane, "one", "a")
    lane.settle()
    first = lane.name
    write(lane, "two", "b")
    slot = write(lane, "three", "c")
    assert (slot.lane_number, slot.previous) == (1, "")
    assert lane.name != first
    lane.settle()
    assert lane.heads == {first: (1, "a"), lane.name: (1, "c")}


def test_a_process_that_wrote_nothing_tells_of_nothing():
    lane = Lane()
    lane.settle()
    assert lane.heads == {}


def item(number, previous, digest):
    return Item(number, previous, digest, "receipt", number, f"receipt {number}")


def test_a_lane_is_whole_or_its_first_fault_is_named():
    items = [item(1, "", "a"), item(2, "a", "b"), item(3, "b", "c")]
    assert broken(items) == ""
    assert broken(items[1:]) == "receipt 2 is number 2 of its lane, and number 1 is missing"
    items[1] = item(2, "x", "b")
    assert broken(items) == "receipt 2 does not follow from the item before it in its lane"
