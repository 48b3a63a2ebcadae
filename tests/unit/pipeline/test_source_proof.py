"""One reading of a partition beside what its source says, with a source that is made up."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pyarrow as pa
import pytest

from messy_migration.errors import PluginError
from messy_migration.fingerprint.rows import fingerprint
from messy_migration.ledger.source_proofs import EARLIER, OFF, OLDER, SILENT
from messy_migration.model import (
    RECORD,
    Column,
    ColumnType,
    Extraction,
    Fingerprint,
    Partition,
    Stream,
    Table,
)
from messy_migration.pipeline.cut import Cut
from messy_migration.pipeline.prepare import Prepared
from messy_migration.pipeline.source_proof import Reading

TABLE = Table("t", (Column("id", ColumnType("int32")), Column("name", ColumnType("text"))))
STREAM = Stream("made.t", (TABLE,))
PARTITION = Partition("all", "digest")


def rows(*numbers):
    names = [f"n{number}" for number in numbers]
    return pa.table({"id": pa.array(numbers, pa.int32()), "name": pa.array(names, pa.string())})


def of(*numbers):
    return fingerprint(rows(*numbers), TABLE.columns)


def batch(ordinal, *numbers, last=False):
    made = Cut(ordinal, tables=[rows(*numbers)], last=last)
    made._rows = len(numbers)
    return made


def prepared(cut, data=None):
    data = pa.concat_tables([rows(), *cut.tables]) if data is None else data
    numbered = data.append_column(RECORD, pa.array(range(data.num_rows), pa.int32()))
    return Prepared(cut.rows, {"t": numbered}, (), {}, 0, cut, STREAM)


def reading(said, earlier=None, *, is_on=True, is_offered=True, partition=PARTITION, stream=STREAM):
    registry = SimpleNamespace(
        implements=lambda plugin, hook: is_offered and hook == "source_fingerprint",
        call_one=lambda plugin, hook, **named: said,
    )
    core = SimpleNamespace(source_proof=is_on)
    workspace = SimpleNamespace(
        registry=registry, settings=SimpleNamespace(core=core), sections={"made": None}
    )
    return Reading(workspace, stream, partition, earlier or {})


def taken(one, *batches):
    """The extractions of the batches that are not committed yet."""
    found = []
    for number, cut in enumerate(batches):
        one.take(cut, {f"b{number}"})
        if f"b{number}" not in one.earlier:
            found.append(one.with_extraction(prepared(cut), cut).extraction)
    return found


def test_each_batch_has_its_own_and_the_last_one_that_of_the_source():
    first, last = taken(reading(of(1, 2, 3)), batch(0, 1, 2), batch(1, 3, last=True))
    assert first == Extraction(of(1, 2))
    assert last == Extraction(of(3), of(1, 2, 3))
    assert first.read + last.read == last.source


def test_an_empty_partition_is_held_against_an_empty_one():
    (last,) = taken(reading(Fingerprint()), Cut(0, last=True))
    assert last == Extraction(Fingerprint(), Fingerprint())


def test_what_the_source_says_otherwise_is_kept_as_it_says():
    (last,) = taken(reading(of(1, 9)), batch(0, 1, 2, last=True))
    assert last == Extraction(of(1, 2), of(1, 9))


@pytest.mark.parametrize(
    ("kept", "held", "note"),
    [(of(1, 2), None, ""), (of(1, 8), None, EARLIER), (None, None, OLDER), (of(1, 8), "snap", "")],
)
def test_a_batch_that_is_committed_has_to_be_what_is_read_now(kept, held, note):
    one = reading(of(1, 2, 3), {"b0": kept}, partition=replace(PARTITION, held=held))
    (last,) = taken(one, batch(0, 1, 2), batch(1, 3, last=True))
    assert last == Extraction(of(3), of(1, 2, 3), note)
    if held:
        # In one snapshot the batch was never what the source has: the receipts do not add up.
        assert kept + last.read != last.source


def test_parts_of_a_batch_are_kept_one_by_one():
    one = reading(of(1, 2, 3, 4), {"b0.0-2": of(1, 2)})
    whole = batch(0, 1, 2, 3, 4, last=True)
    one.take(whole, {"b0"})
    part = batch(0, 3, 4, last=True)
    found = one.with_extraction(prepared(part), whole).extraction
    assert found == Extraction(of(3, 4), of(1, 2, 3, 4))


def test_a_fingerprint_is_computed_once_where_the_rows_are_sent_as_they_were_read():
    one, cut = reading(of(1, 2)), batch(0, 1, 2, last=True)
    one.take(cut, {"b0"})
    assert one.with_extraction(prepared(cut), cut).sent == {"t": of(1, 2)}
    for other in (rows(1, 3), rows(2, 1), rows(1), rows(1, 2).set_column(1, "name", [["n1", ""]])):
        assert one.with_extraction(prepared(cut, other), cut).sent == {}


def test_a_source_that_says_nothing_is_told_from_one_that_cannot_and_one_that_is_not_asked():
    (last,) = taken(reading(None), batch(0, 1, last=True))
    assert last == Extraction(of(1), note=SILENT)
    first, last = taken(reading(of(1), is_on=False), batch(0, 1), batch(1, last=True))
    assert (first, last) == (Extraction(), Extraction(note=OFF))
    for silent in (
        reading(of(1), is_offered=False),
        reading(of(1), stream=replace(STREAM, lands=True)),
    ):
        assert taken(silent, batch(0, 1, last=True)) == [Extraction()]


def test_a_plugin_that_breaks_the_contract_is_named():
    with pytest.raises(PluginError, match="no Fingerprint"):
        taken(reading("50"), batch(0, 1, last=True))
    wrong = Cut(0, tables=[pa.table({"id": ["x"], "name": ["y"]})], last=True)
    with pytest.raises(PluginError, match="frame of other types"):
        reading(of(1)).take(wrong, {"b0"})
