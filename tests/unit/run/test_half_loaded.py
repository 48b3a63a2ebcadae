"""What becomes of a partition that was half loaded under another plan."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from messy_migration.ledger.receipts import batch_id
from messy_migration.model import Column, ColumnType, Partition, Stream, Table
from messy_migration.pipeline.cut import Cutting
from messy_migration.pipeline.earlier_plans import Made
from messy_migration.pipeline.plan_id import Basis
from messy_migration.run.half_loaded import course_of

COLUMNS = (Column("id", ColumnType("int32")), Column("v", ColumnType("text")))
KEYED = Stream("shop.s", (Table("t", COLUMNS, ("id",)),))
KEYLESS = Stream("shop.s", (Table("t", COLUMNS),))
PART = Partition("one.csv", "digest")
PLAN = Basis(
    (["format"],), ("shop", "1", "now"), (("shop", "1"), ("rule", "1", "now")), Cutting(1, 2)
)
RULE = replace(PLAN, rules=(("shop", "1"), ("rule", "1", "then")))
SOURCE = replace(PLAN, source=("shop", "1", "then"))
FORMAT = replace(PLAN, tables=(["another"],))


def committed(*plans):
    return {
        place: {batch_id("shop.s", "", plan.id, PART.digest, place)}
        for place, plan in enumerate(plans)
    }


def course(*plans, stream=KEYED, known=(RULE, SOURCE, FORMAT), reads=True):
    """The course under PLAN after batches under these plans; `known` can be made again."""

    def made(stream, cutting, batch):
        plans = (plan for plan in known if batch.is_of(stream, plan))
        return next((Made(None, stream, plan) for plan in plans), None)

    registry = SimpleNamespace(takes_settings=lambda _plugin, hook: reads and hook == "extract")
    earlier = SimpleNamespace(
        made=made,
        changed=lambda _stream, _made: ["rule.longest"],
        unlike=lambda *_: "shop was 1 and is 2",
        workspace=SimpleNamespace(registry=registry),
    )
    return course_of(stream, PART, committed(*plans), PLAN, earlier, "0197-earlier")


def test_what_was_loaded_under_this_plan_needs_no_word():
    assert course(PLAN, PLAN) == course() == course(replace(PLAN, source=("shop", "1")))
    assert (course(PLAN).note, course(PLAN).problem) == ("", None)


@pytest.mark.parametrize("stream", [KEYED, KEYLESS])
def test_what_other_rules_made_stays_and_is_told_with_the_settings_that_differ(stream):
    outcome = course(RULE, RULE, PLAN, stream=stream)
    assert outcome.problem is None
    assert outcome.note.startswith(
        "2 batches of one.csv were loaded under other settings (rule.longest) and stay"
    )
    assert course(RULE, stream=stream).note.startswith("1 batch of")


def test_where_the_records_may_be_others_nobody_goes_on_in_the_middle():
    assert "its records may be others" in course(RULE, SOURCE).problem.why
    assert "migrate run --restart" in course(SOURCE).problem.next
    assert "--restart" not in course(SOURCE, stream=KEYLESS).problem.next
    assert "0197-earlier" in course(SOURCE).problem.where


def test_records_that_landed_or_that_follow_from_no_setting_are_the_same():
    assert course(SOURCE, reads=False).problem is None
    landed = course(SOURCE, stream=replace(KEYED, lands=True))
    assert "the rest of it as it was planned" in landed.note
    both = replace(SOURCE, rules=RULE.rules)
    landed = course(both, stream=replace(KEYED, lands=True), known=(both,))
    assert "under those of today" in landed.note
    assert "planned" not in landed.note


def test_other_formats_and_what_cannot_be_made_again_are_refused():
    assert course(FORMAT).problem.why == "its tables had other columns or types"
    assert course(RULE, known=()).problem.why == "shop was 1 and is 2"
