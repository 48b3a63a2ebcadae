from __future__ import annotations

import pytest

from messy_migration import errors
from messy_migration.errors import (
    MigrationError,
    PluginError,
    SourceError,
    exit_code,
    packed,
    unpacked,
)

NAMED = [getattr(errors, name) for name in errors.__all__]
TREE = [kind for kind in NAMED if isinstance(kind, type)]
CODES = {
    "MigrationError": 1,
    "UsageProblem": 2,
    "ConfigurationError": 3,
    "PluginError": 4,
    "SourceError": 5,
    "SourceMissing": 5,
    "SourceUnreachable": 5,
    "SourceCountDrift": 5,
    "SourceSchemaDrift": 5,
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
    copy = unpacked(packed(error))
    assert type(copy) is kind
    assert copy.as_dict() == error.as_dict()
    assert str(copy) == "what [where]: why. Next: next"


def test_a_defect_is_told_without_its_message():
    copy = unpacked(packed(KeyError("somebody@example.org")))
    assert type(copy) is MigrationError
    assert "example" not in str(copy)
    assert "KeyError" in str(copy)


def test_a_class_of_a_plugin_arrives_as_the_one_of_ours_that_it_derives_from():
    class Expired(SourceError):
        """Of a plugin."""

    copy = unpacked(packed(Expired("what", "where"), "shop.orders"))
    assert type(copy) is SourceError
    assert copy.where == "where"


@pytest.mark.parametrize(
    ("where", "label", "told"),
    [
        ("", "a.b, p0", "a.b, p0"),
        ("plugin x", "a.b, p0", "plugin x, a.b, p0"),
        ("a.b: hook", "a.b, p0", "a.b: hook"),
    ],
)
def test_where_a_plugin_failed_names_the_task_once(where, label, told):
    assert unpacked(packed(PluginError("what", where), label)).where == told


def test_an_error_is_put_in_its_place_once_and_its_texts_are_cleaned():
    error = SourceError("what s3cret", "page 2", "s3cret", "next")
    located = error.located("a.b", lambda text: text.replace("s3cret", "***"))
    assert type(located) is SourceError
    assert str(located) == "what *** [a.b, page 2]: ***. Next: next"
    assert located.located("a.b").where == located.where
    assert SourceError("what").located("a.b").where == "a.b"


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
