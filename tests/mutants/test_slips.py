"""Every slip is noticed by the tests that name it; nobody else's are run."""

from __future__ import annotations

import pytest

from .copies import Copy
from .slips import slips

SLIPS = slips()


def test_every_slip_is_a_change_to_the_code_of_today():
    names = [slip.id for slip in SLIPS]
    assert len(names) == len(set(names))
    for slip in SLIPS:
        compile(slip.broken(), slip.module, "exec")


@pytest.fixture(scope="session")
def copy(tmp_path_factory):
    with Copy(tmp_path_factory.mktemp("mutants")) as copy:
        yield copy


@pytest.mark.sweep
def test_the_tests_pass_where_nothing_is_broken(copy):
    tests = sorted({test for slip in SLIPS for test in slip.tests})
    assert copy.notice(tests, seconds=1_800) is None


@pytest.mark.sweep
@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.id)
def test_a_slip_is_noticed(copy, slip):
    with copy.broken(slip.module, slip.broken()):
        assert copy.notice(slip.tests), f"{slip.id} lives: {slip.harm}"
