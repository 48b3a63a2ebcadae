from __future__ import annotations

import pickle

import pytest

from messy_migration import errors
from messy_migration.errors import MigrationError, exit_code

TREE = [getattr(errors, name) for name in errors.__all__ if name != "exit_code"]
CODES = {
    "MigrationError": 1,
    "UsageProblem": 2,
    "ConfigurationError": 3,
    "PluginError": 4,
    "SourceError": 5,
    "TargetError": 6,
    "AccessRefused": 6,
    "TargetBusy": 6,
    "TargetUnavailable": 6,
    "TargetFull": 6,
    "QualityError": 7,
    "ProofError": 8,
    "Locked": 75,
    "Interrupted": 130,
}


def test_every_class_has_the_exit_code_of_the_design():
    assert {kind.__name__: kind.exit_code for kind in TREE} == CODES


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_an_error_survives_the_way_between_processes(kind):
    error = kind("what", "where", "why", "next")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert copy.as_dict() == error.as_dict()
    assert str(copy) == "what [where]: why. Next: next"


def test_an_error_of_one_part_is_just_that_part():
    assert str(MigrationError("what")) == "what"


@pytest.mark.parametrize(
    "codes, mismatch, unknown, expected",
    [
        (set(), False, False, 0),
        (set(), False, True, 8),
        (set(), True, False, 8),
        ({0, 5}, False, True, 5),
        ({5, 6}, False, False, 6),
        ({4, 7}, False, True, 4),
        ({7}, False, True, 7),
        ({5}, True, False, 8),
        ({1, 5}, True, False, 1),
        ({3, 5}, False, False, 3),
        ({130, 5}, False, False, 130),
        ({143}, False, True, 143),
        ({8}, False, False, 8),
        ({1, 130}, True, False, 1),
        ({75}, False, False, 75),
        ({75, 5}, True, True, 75),
        ({75, 143}, False, True, 143),
        ({4, 6, 7, 5}, False, True, 6),
        ({7, 5}, False, False, 5),
    ],
)
def test_of_several_failures_the_gravest_decides(codes, mismatch, unknown, expected):
    assert exit_code(codes, mismatch=mismatch, unknown=unknown) == expected
