"""A head that is given by hand is long enough to tell it from all others."""

from __future__ import annotations

import pytest

from messy_migration.api import ReconcileOptions, RunOptions, verify_reports
from messy_migration.config.heads import given_head
from messy_migration.errors import UsageProblem


def test_a_head_is_taken_in_any_letters():
    assert given_head(" DEADBEEFDEAD\n") == "deadbeefdead"
    assert given_head(None) is None


@pytest.mark.parametrize("text", ["", " ", "f" * 11, "f" * 65, "deadbeefdeax", "é" * 12])
def test_g61_what_is_no_head_is_refused_by_every_act_that_takes_one(text, tmp_path):
    for act in (
        lambda: RunOptions(anchor=text),
        lambda: ReconcileOptions(anchor=text),
        lambda: verify_reports([tmp_path / "x.json"], tmp_path, text),
    ):
        with pytest.raises(UsageProblem, match="no head"):
            act()
