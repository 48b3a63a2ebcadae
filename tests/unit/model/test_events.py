"""The catalogue: every kind has a name of its own, crosses a process border, and is raised."""

from __future__ import annotations

import pickle
import re
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

import messy_migration
from messy_migration.model import events
from messy_migration.model.event import Event

SAMPLES = {"str": "x", "int": 1, "float": 1.0, "bool": True, "tuple[str, ...]": ("x",)}


def kinds(kind=Event):
    for below in kind.__subclasses__():
        if "name" in vars(below):
            yield below
        yield from kinds(below)


KINDS = sorted(set(kinds()), key=lambda kind: kind.name)


def test_names_are_unlike_and_are_a_subject_and_what_happened():
    names = [kind.name for kind in KINDS]
    assert len(names) == len(set(names)) > 20
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", name) for name in names)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_value_is_frozen_and_survives_the_way_to_another_process(kind):
    event = kind(**{item.name: SAMPLES[item.type] for item in fields(kind)})
    assert pickle.loads(pickle.dumps(event)) == event
    assert event.text
    assert event.as_dict()["event"] == kind.name
    with pytest.raises(FrozenInstanceError):
        event.run = "other"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_kind_is_a_dead_declaration(kind):
    """Somewhere in the package a value of it is made."""
    package = Path(messy_migration.__file__).parent
    own = Path(events.__file__)
    used = re.compile(rf"\b(?:kinds\.)?{kind.__name__}\b(?! import)")
    assert any(
        used.search(line)
        for path in package.rglob("*.py")
        if path != own
        for line in path.read_text().splitlines()
        if "import" not in line and "isinstance" not in line
    )
