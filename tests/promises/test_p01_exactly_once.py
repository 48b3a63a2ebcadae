"""A run fails at every transition of the ledger, and the same command again puts it right.

With one worker, so that the n-th time that a point is met is the same moment in every run.
"""

from __future__ import annotations

import importlib
import signal

import pytest

from .conftest import KINDS
from .faults.inject.points import POINTS, whole
from .faults.oracle import findings
from .faults.site import ALONE

ACTIONS = ("kill9", "raise")
ENDS = {
    ("parent", "kill9"): -signal.SIGKILL,
    ("parent", "raise"): 1,
    ("worker", "kill9"): 0,
    ("worker", "raise"): 1,
}
"""Exit code of the command that fails; a dead worker is replaced, a defect is told."""
SECOND_CHANCE = {("worker.started", "raise")}
"""What a worker tries again by itself, when it is given its first task."""
SHARE = {"first": 0.0, "middle": 0.5, "last": 1.0}
CASES = [
    (kind, name, hit, action)
    for name, point in POINTS.items()
    for kind in point.kinds
    for hit in (SHARE if point.often else ("first",))
    for action in ACTIONS
]
# Every fourth point, by turns on either kind of target, early, late, killed and raised.
SAMPLE = [
    next(
        case
        for case in CASES
        if case[1] == name
        and case[0] == (KINDS[number % 2] if len(point.kinds) == 2 else "postgres")
        and case[2] == (("first", "middle", "last")[number % 3] if point.often else "first")
        and case[3] == ACTIONS[number // 2 % 2]
    )
    for number, (name, point) in enumerate(list(POINTS.items())[1::4])
]


def test_every_point_is_still_in_the_package():
    for name, point in POINTS.items():
        for place in point.places:
            module, path = whole(place)
            found = importlib.import_module(module)
            for part in path.split("."):
                found = getattr(found, part, None)
            assert found is not None, f"{name}: {place} is gone; inject/points.py says where it is"


@pytest.mark.parametrize(
    "kind, name, hit, action",
    [
        pytest.param(*case, id="-".join(case), marks=[] if case in SAMPLE else pytest.mark.sweep)
        for case in CASES
    ],
)
def test_the_same_command_again_puts_right_whatever_failed(ground, kind, name, hit, action):
    site, golden = ground(kind)
    number = 1 + round((golden.hits[name] - 1) * SHARE[hit])
    point = POINTS[name]
    result = site.run(*ALONE, plan=[{"point": name, "hit": number, "action": action}])
    fired = [fault["point"] for fault in site.fired()]
    assert fired == [name], f"of {golden.hits[name]} hits the plan wanted number {number}"
    ended = 0 if (name, action) in SECOND_CHANCE else ENDS[point.process, action]
    assert result.code == ended, result.err
    if result.code:
        result = site.finish()
    assert findings(site, golden, result) == []


def test_every_point_is_met_on_both_kinds_of_target(ground):
    for kind in KINDS:
        _, golden = ground(kind)
        for name, point in POINTS.items():
            if kind in point.kinds:
                least = 2 if point.often else 1
                assert golden.hits[name] >= least, f"{name} is met {golden.hits[name]} times"
