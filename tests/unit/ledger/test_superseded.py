"""Which entries of earlier runs a batch meets again."""

from __future__ import annotations

import pytest

from messy_migration.ledger.quarantine import CONTENT, KEYED, Entry
from messy_migration.ledger.superseded import Waiting

CONTENTS, KEY, OTHER = "c" * CONTENT, "k" * CONTENT, "o" * CONTENT
WAITING = Waiting({CONTENTS: [1, 2]}, {KEY: [2, 3]})


@pytest.mark.parametrize(
    ("refused", "loaded", "entries"),
    [
        ([], [], []),
        ([], [KEY], [2, 3]),
        ([], [CONTENTS], []),
        ([CONTENTS], [], [1, 2]),
        ([CONTENTS + OTHER], [], [1, 2]),
        ([OTHER + KEY], [], [2, 3]),
        ([KEY + CONTENTS], [], []),
        ([CONTENTS], [KEY], [1, 2, 3]),
        ([OTHER, OTHER + OTHER], [OTHER, ""], []),
    ],
)
def test_a_record_is_met_again_by_its_content_or_its_key(refused, loaded, entries):
    assert WAITING.met(refused, loaded) == entries


def test_nothing_waits_where_there_is_no_entry():
    assert not Waiting()
    assert WAITING
    assert Waiting().met([CONTENTS + KEY], [KEY]) == []


def test_an_identity_is_of_the_content_and_behind_it_of_the_key():
    bare, keyed = Entry("p", "r", "w", b"raw"), Entry("p", "r", "w", b"raw", key=KEY)
    assert len(bare.known_by) == len(keyed.known_by) == KEYED
    assert bare.known_by[:CONTENT] == keyed.known_by[:CONTENT]
    assert keyed.known_by[CONTENT:] == KEY
    assert Entry("p", "r", "w", b"raw", identity=OTHER).known_by == OTHER
    assert Entry("p", "r", "w", b"raw", identity=OTHER, key=KEY).known_by == OTHER + KEY
