"""An event says the same to people and to machines."""

from __future__ import annotations

import logging

from messy_migration.model.event import CHANNEL, tell
from messy_migration.model.events import CommitUnanswered, DbUnreachable


def test_what_is_told_is_one_record_that_carries_the_value(caplog):
    event = CommitUnanswered(batch="b1", is_committed=True)
    with caplog.at_level(logging.INFO):
        tell(event)
    (record,) = caplog.records
    assert (record.name, record.levelname, record.told) == (CHANNEL, "WARNING", event)
    assert record.getMessage() == event.text


def test_machines_get_what_it_happened_to_and_what_it_says():
    event = DbUnreachable(run="r", stream="s", what="away", seconds=2.0)
    found = event.as_dict()
    assert found.pop("at").endswith("+00:00")
    assert found == {
        "event": "db.unreachable",
        "severity": "error",
        "run": "r",
        "stream": "s",
        "what": "away",
        "seconds": 2.0,
    }
    assert event.text == "waiting up to 2 s: away"
