"""What a run is going to read: in which order, what it skips, and what it refuses to double."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from itertools import pairwise

import pytest
from sqlalchemy import make_url

from messy_migration.config import settings as configuration
from messy_migration.databases.open import open_target
from messy_migration.errors import PluginError, SourceError
from messy_migration.hookspecs import hookimpl
from messy_migration.ledger.history import History
from messy_migration.ledger.receipts import batch_id
from messy_migration.ledger.runs import Planned, short
from messy_migration.ledger.tables import ledger
from messy_migration.model import Column, ColumnType, Partition, Stream, Table
from messy_migration.pipeline.cut import Cutting
from messy_migration.pipeline.partitions import levels, ordered
from messy_migration.pipeline.plan_id import plan_id
from messy_migration.run.open import new_run_id
from messy_migration.run.plan import build
from messy_migration.workspace import Request, Workspace

COLUMNS = (Column("id", ColumnType("int32")), Column("v", ColumnType("text")))
KEYED, KEYLESS = Table("t", COLUMNS, ("id",)), Table("t", COLUMNS)
CUTTING = Cutting(10, 100)
ONE, TWO, THREE = (
    Partition(f"{name}.csv", f"digest of {name}") for name in ("one", "two", "three")
)


class Plugin:
    """A source that offers what it is given; an error is raised."""

    def __init__(self, *offered):
        self.offered = offered

    @hookimpl
    def partitions(self, stream, since, settings):
        found = self.offered[0] if callable(self.offered[0]) else lambda stream: self.offered
        return found(stream)


class Rules:
    """Rules that may change rows."""

    @hookimpl
    def transform(self, batch):
        return None


class Observer:
    """One that is told what happens, and changes nothing."""

    @hookimpl
    def notify(self, event):
        return None


@pytest.fixture
def workspace(tmp_path, monkeypatch, registry_of):
    """A function that makes a workspace of plugins: `workspace(shop=Plugin(...))`."""

    def make(**plugins):
        monkeypatch.chdir(tmp_path)
        target = open_target(make_url(f"sqlite:///{tmp_path / 'unused.db'}"), "mm:test")
        return Workspace(
            Request(),
            configuration.load(None, None, {}),
            registry_of(**plugins),
            target,
            ledger("sqlite"),
        )

    return make


def stream(name="shop.s", table=KEYED, **more):
    return Stream(name, (table,), **more)


def names(streams):
    return [item.label for item in streams]


def planned(one, partition, identity, run_id="0197-earlier"):
    return Planned(run_id, one.name, one.tenant, identity, 0, partition)


def place(one, partition):
    return (one.name, one.tenant, partition.digest)


def half_loaded(one, partition, identity):
    """What a ledger says where one batch of a partition is committed."""
    batch = batch_id(one.name, one.tenant, identity, partition.digest, 0)
    return History(
        (planned(one, partition, identity),),
        frozenset({place(one, partition)}),
        half={place(one, partition): {0: {batch}}},
    )


def test_parents_come_before_children_and_others_keep_their_order():
    streams = [
        stream("shop.lines", depends_on=("shop.orders", "shop.items")),
        stream("shop.notes"),
        stream("shop.orders", depends_on=("shop.people",)),
        stream("shop.items"),
        stream("shop.people"),
    ]
    assert [names(level) for level in levels(streams)] == [
        ["shop.notes", "shop.items", "shop.people"],
        ["shop.orders"],
        ["shop.lines"],
    ]
    assert names(ordered(streams)) == [
        "shop.notes",
        "shop.items",
        "shop.people",
        "shop.orders",
        "shop.lines",
    ]


def test_all_tenants_of_a_parent_come_before_all_of_a_child():
    streams = [
        stream("shop.lines", tenant=tenant, depends_on=("shop.orders",)) for tenant in "ab"
    ] + [stream("shop.orders", tenant=tenant) for tenant in "ab"]
    assert [names(level) for level in levels(streams)] == [
        ["shop.orders@a", "shop.orders@b"],
        ["shop.lines@a", "shop.lines@b"],
    ]


def test_a_parent_that_was_not_selected_is_not_waited_for():
    assert names(ordered([stream("shop.lines", depends_on=("shop.orders",))])) == ["shop.lines"]
    assert levels([]) == []


@pytest.mark.parametrize("circle", [("a", "b", "a"), ("a", "a")])
def test_a_circle_is_refused_with_its_streams(circle):
    streams = [
        stream(f"shop.{one}", depends_on=(f"shop.{other}",)) for one, other in pairwise(circle)
    ]
    with pytest.raises(PluginError, match="circle") as caught:
        levels(streams)
    assert "shop.a -> " in caught.value.why


def test_what_is_complete_is_skipped_and_the_rest_is_read(workspace):
    one = stream()
    history = History(complete=frozenset({place(one, TWO), ("shop.other", "", ONE.digest)}))
    (plan,) = build(workspace(shop=Plugin(ONE, TWO, THREE)), [one], history, CUTTING)
    assert (plan.partitions, plan.skipped, plan.problems) == ((ONE, THREE), (TWO,), ())


def test_what_one_tenant_has_is_not_there_for_another(workspace):
    one, other = stream(tenant="a"), stream(tenant="b")
    history = History(complete=frozenset({place(one, ONE)}))
    plans = build(workspace(shop=Plugin(ONE)), [one, other], history, CUTTING)
    assert [plan.partitions for plan in plans] == [(), (ONE,)]


def test_what_is_half_loaded_is_gone_on_with_under_the_same_plan(workspace):
    one, space = stream(), workspace(shop=Plugin(ONE))
    identity = plan_id(space, one, CUTTING)
    history = half_loaded(one, ONE, identity)
    (plan,) = build(space, [one], history, CUTTING)
    assert (plan.plan_id, plan.partitions, plan.problems) == (identity, (ONE,), ())


@pytest.mark.parametrize("table", [KEYED, KEYLESS], ids=["keyed", "keyless"])
def test_what_is_half_loaded_under_another_plan_would_be_counted_twice(workspace, table):
    one = stream(table=table)
    history = half_loaded(one, ONE, "older")
    (plan,) = build(workspace(shop=Plugin(ONE, TWO)), [one], history, CUTTING)
    assert plan.partitions == (TWO,)
    (problem,) = plan.problems
    assert (type(problem), "half loaded" in problem.what) == (PluginError, True)
    assert short("0197-earlier") in problem.where


def test_what_was_planned_under_another_plan_and_never_begun_is_read(workspace):
    one = stream()
    history = History((planned(one, ONE, "older"),))
    (plan,) = build(workspace(shop=Plugin(ONE)), [one], history, CUTTING)
    assert (plan.partitions, plan.problems) == ((ONE,), ())


@pytest.mark.parametrize("is_complete", [True, False])
def test_a_changed_file_of_a_stream_without_a_key_would_double_rows(workspace, is_complete):
    one = stream(table=KEYLESS)
    changed = Partition(ONE.name, "another digest")
    there = frozenset({place(one, ONE)})
    begun = frozenset({place(one, ONE)})
    history = History((planned(one, ONE, "older"),), begun, there if is_complete else frozenset())
    (plan,) = build(workspace(shop=Plugin(changed, TWO)), [one], history, CUTTING)
    assert plan.partitions == (TWO,)
    (problem,) = plan.problems
    assert isinstance(problem, SourceError)
    assert "other content" in problem.what


def test_a_changed_file_of_a_stream_with_keys_is_merged(workspace):
    one = stream()
    there = frozenset({place(one, ONE)})
    begun = frozenset({place(one, ONE)})
    history = History((planned(one, ONE, "older"),), begun, there)
    changed = Partition(ONE.name, "another digest")
    (plan,) = build(workspace(shop=Plugin(changed)), [one], history, CUTTING)
    assert (plan.partitions, plan.problems) == ((changed,), ())


def test_a_plan_whose_batches_are_another_plans_is_none_of_its_own(workspace):
    """A run that failed before its first batch under one version goes on under the next."""
    one, space = stream(), workspace(shop=Plugin(ONE))
    identity = plan_id(space, one, CUTTING)
    rows = (planned(one, ONE, "older"), planned(one, ONE, identity))
    history = History(rows, frozenset({place(one, ONE)}))
    (plan,) = build(space, [one], history, CUTTING)
    assert (plan.partitions, plan.problems) == ((ONE,), ())


def test_a_file_that_is_what_it_was_before_the_last_change_is_merged_again(workspace):
    one = stream()
    other = Partition(ONE.name, "another digest")
    rows = (planned(one, ONE, "older"), planned(one, other, "older"))
    there = frozenset({place(one, ONE), place(one, other)})
    begun = there
    (plan,) = build(workspace(shop=Plugin(ONE)), [one], History(rows, begun, there), CUTTING)
    (renewed,) = plan.partitions
    assert renewed.digest.startswith(f"{ONE.digest}~")
    rows = (*rows, planned(one, renewed, "older"))
    there |= {place(one, renewed)}
    begun |= {place(one, renewed)}
    (plan,) = build(workspace(shop=Plugin(ONE)), [one], History(rows, begun, there), CUTTING)
    assert (plan.partitions, [part.digest for part in plan.skipped]) == ((), [renewed.digest])


def slices(content, count):
    """A file that is read in slices."""
    return [
        Partition(
            f"sales.csv {number}/{count}",
            f"{content}{number}",
            {"input": "sales.csv", "version": content},
        )
        for number in range(1, count + 1)
    ]


def after(one, *loaded):
    """What the ledger says when these were loaded one after the other, in whole."""
    rows = tuple(planned(one, part, "older") for parts in loaded for part in parts)
    there = frozenset(place(one, item.partition) for item in rows)
    return History(rows, there, there)


def test_a_file_that_changes_to_and_fro_is_merged_again_each_time(workspace):
    one = stream()
    contents = [slices("A", 4), slices("B", 3)]
    loaded = []
    for turn in range(6):
        offered = contents[turn % 2]
        history = after(one, *loaded)
        (plan,) = build(workspace(shop=Plugin(*offered)), [one], history, CUTTING)
        assert len(plan.partitions) == len(offered)
        assert (plan.skipped, plan.problems) == ((), ())
        # Half of it, and the rest goes on under the digests that it was given.
        half = after(one, *loaded, plan.partitions[:2])
        (rest,) = build(workspace(shop=Plugin(*offered)), [one], half, CUTTING)
        assert rest.partitions == plan.partitions[2:]
        assert rest.skipped == plan.partitions[:2]
        loaded.append(plan.partitions)
        standing = [item.partition for item in after(one, *loaded).standing(one)]
        assert standing == list(plan.partitions)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (slices("A", 4), slices("B", 3)),
        (slices("A", 4)[:1], slices("B", 3)),
        ([Partition("sales.csv", "A")], slices("A", 2)),
        (slices("A", 2), [Partition("sales.csv", "B")]),
    ],
)
def test_slices_of_a_stream_without_a_key_are_never_mixed(workspace, before, now):
    one = Stream("shop.s", (Table("u", COLUMNS),))
    (plan,) = build(workspace(shop=Plugin(*now)), [one], after(one, before), CUTTING)
    assert plan.partitions == ()
    assert {type(problem) for problem in plan.problems} == {SourceError}


def test_slices_of_a_stream_without_a_key_are_resumed(workspace):
    one, parts = Stream("shop.s", (Table("u", COLUMNS),)), slices("A", 4)
    (plan,) = build(workspace(shop=Plugin(*parts)), [one], after(one, parts[1:3]), CUTTING)
    assert (plan.partitions, plan.problems) == ((parts[0], parts[3]), ())


def test_one_table_without_a_key_is_enough_to_refuse(workspace):
    one = Stream("shop.s", (KEYED, Table("u", COLUMNS)))
    there = frozenset({place(one, ONE)})
    begun = frozenset({place(one, ONE)})
    history = History((planned(one, ONE, "older"),), begun, there)
    changed = Partition(ONE.name, "another digest")
    (plan,) = build(workspace(shop=Plugin(changed)), [one], history, CUTTING)
    assert plan.partitions == ()


def test_a_source_that_fails_stops_its_own_stream_only(workspace):
    def offer(one):
        if one.name == "shop.bad":
            raise SourceError("the folder is gone")
        if one.name == "shop.broken":
            raise KeyError(one.name)
        return (item for item in (ONE, TWO))

    streams = [stream(f"shop.{name}") for name in ("bad", "good", "broken")]
    bad, good, broken = build(workspace(shop=Plugin(offer)), streams, History(), CUTTING)
    assert (good.partitions, good.problems) == ((ONE, TWO), ())
    assert [type(problem) for problem in bad.problems] == [SourceError]
    assert [type(problem) for problem in broken.problems] == [PluginError]


@pytest.mark.parametrize("offered", [[ONE, "two"], [ONE, ONE], [ONE, Partition("x", ONE.digest)]])
def test_partitions_that_cannot_be_told_apart_are_a_problem(workspace, offered):
    (plan,) = build(workspace(shop=Plugin(*offered)), [stream()], History(), CUTTING)
    assert plan.partitions == ()
    assert [type(problem) for problem in plan.problems] == [PluginError]


def test_a_source_that_says_nothing_is_one_partition_always_the_same(workspace):
    class Source:
        @hookimpl
        def streams(self, settings):
            return []

    plans = [
        build(workspace(shop=Source()), [stream(tenant=tenant)], History(), CUTTING)
        for tenant in ("a", "a", "b")
    ]
    first, again, other = (plan.partitions for (plan,) in plans)
    assert len(first) == 1
    assert first == again
    assert first[0].digest != other[0].digest


def test_a_plan_is_another_when_rows_would_be_made_or_cut_otherwise(workspace, registry_of):
    shop, rules = Plugin(ONE), Rules()
    space = workspace(shop=shop, rules=rules)
    first = plan_id(space, stream(), CUTTING)
    assert plan_id(space, stream(), Cutting.of_options(CUTTING.as_options())) == first
    assert plan_id(space, stream(bookmark="id", tenant="a"), CUTTING) == first
    wider = Table("t", (*COLUMNS, Column("w", ColumnType("text"))), ("id",))
    others = {
        plan_id(space, stream(), replace(CUTTING, records=11)),
        plan_id(space, stream(table=wider), CUTTING),
        plan_id(workspace(rules=rules, shop=shop), stream(), CUTTING),
        plan_id(workspace(shop=shop), stream(), CUTTING),
    }
    assert len(others | {first}) == 5


def test_a_plan_is_the_same_beside_an_observer_and_beside_another_source(workspace):
    alone = plan_id(workspace(shop=Plugin(ONE)), stream(), CUTTING)
    beside = workspace(shop=Plugin(ONE), watch=Observer(), other=Plugin(TWO))
    assert plan_id(beside, stream(), CUTTING) == alone


def test_run_ids_are_uuids_of_version_7_and_sort_by_time():
    made = []
    for _ in range(20):
        before = time.time_ns() // 1_000_000
        found = uuid.UUID(new_run_id())
        after = time.time_ns() // 1_000_000
        assert (found.version, found.variant) == (7, uuid.RFC_4122)
        assert before <= found.int >> 80 <= after
        made.append(str(found))
        while time.time_ns() // 1_000_000 == after:
            pass
    assert made == sorted(made)
    assert len({short(one) for one in made}) == 20


def test_run_ids_of_one_moment_differ():
    assert len({new_run_id() for _ in range(1_000)}) == 1_000


class Snapshot:
    """A source that holds something open: it gives what was planned again, as it is now."""

    def __init__(self, held):
        self.held = held
        self.asked = []
        self.released = 0

    @hookimpl
    def partitions(self, planned, records, settings):
        self.asked.append((planned, records))
        return [
            replace(part, held=self.held) for part in ((ONE, TWO) if planned is None else planned)
        ]

    @hookimpl
    def release(self, settings):
        self.released += 1
        raise OSError("it is gone already")


def test_a_new_run_is_cut_and_a_resumed_one_keeps_what_it_planned(workspace):
    one, plugin = stream(), Snapshot("a")
    (plan,) = build(workspace(shop=plugin), [one], History(), CUTTING, run_id="r")
    assert [part.held for part in plan.partitions] == ["a", "a"]
    assert not plan.renewed
    rows = (planned(one, ONE, "x", "r"), planned(one, TWO, "x", "r"))
    history = History(rows, complete=frozenset({place(one, ONE)}))
    again = Snapshot("b")
    (plan,) = build(workspace(shop=again), [one], history, CUTTING, run_id="r")
    assert plugin.asked + again.asked == [(None, 10), ([TWO], 10)]
    assert (plan.partitions, plan.skipped) == ((replace(TWO, held="b"),), (ONE,))
    assert plan.renewed


def test_a_run_of_which_everything_is_read_is_not_cut_anew(workspace):
    one, plugin = stream(), Snapshot("b")
    history = History((planned(one, ONE, "x", "r"),), complete=frozenset({place(one, ONE)}))
    (plan,) = build(workspace(shop=plugin), [one], history, CUTTING, run_id="r")
    assert plugin.asked == [([], 10)]
    assert (plan.partitions, plan.skipped, plan.renewed) == ((), (ONE,), False)


def test_what_was_half_read_in_an_earlier_snapshot_is_read_again_whole(workspace):
    one = stream()
    identity = plan_id(workspace(shop=Snapshot("b")), one, CUTTING)
    rows = (planned(one, ONE, identity, "r"),)
    begun = frozenset({place(one, ONE)})
    (plan,) = build(workspace(shop=Snapshot("b")), [one], History(rows, begun), CUTTING, run_id="r")
    (again,) = plan.partitions
    assert again.name == ONE.name
    assert again.digest.startswith(f"{ONE.digest}~")
    # Killed once more, before anything of that was committed, and after.
    rows = (*rows, planned(one, again, identity, "r"))
    (plan,) = build(workspace(shop=Snapshot("c")), [one], History(rows, begun), CUTTING, run_id="r")
    assert [part.digest for part in plan.partitions] == [again.digest]
    begun |= {place(one, again)}
    (plan,) = build(workspace(shop=Snapshot("c")), [one], History(rows, begun), CUTTING, run_id="r")
    assert len(plan.partitions) == 1
    assert plan.partitions[0].digest not in {ONE.digest, again.digest}
    complete = frozenset({place(one, again)})
    (plan,) = build(
        workspace(shop=Snapshot("c")), [one], History(rows, begun, complete), CUTTING, run_id="r"
    )
    assert (plan.partitions, plan.skipped) == ((), (again,))


def test_half_of_a_table_without_a_key_is_left_to_its_plugin(workspace):
    one = stream(table=KEYLESS)
    identity = plan_id(workspace(shop=Snapshot("b")), one, CUTTING)
    history = History((planned(one, ONE, identity, "r"),), frozenset({place(one, ONE)}))
    (plan,) = build(workspace(shop=Snapshot("b")), [one], history, CUTTING, run_id="r")
    assert [part.digest for part in plan.partitions] == [ONE.digest]


def test_a_tenant_of_which_nothing_is_known_stops_no_other(workspace):
    problem = SourceError("the source cannot be reached", "shop@oslo")
    silent = Stream("shop.all", (), tenant="oslo", problem=problem)
    plans = build(workspace(shop=Plugin(ONE)), [silent, stream()], History(), CUTTING)
    assert [(plan.partitions, plan.problems) for plan in plans] == [((), (problem,)), ((ONE,), ())]


def test_whatever_a_plugin_holds_open_is_released_however_the_block_ends(workspace):
    plugin = Snapshot("a")
    space = workspace(shop=plugin)
    with space.releasing():
        pass
    with pytest.raises(KeyError), space.releasing():
        raise KeyError
    assert plugin.released == 2
