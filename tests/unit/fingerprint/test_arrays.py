"""Arrays to and from buffers: offsets, NULLs and nothing at all, and pandas left alone."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from messy_migration.fingerprint.arrays import as_flags, as_numbers, from_flags, from_numbers, texts

FLAGS = [True, None, False, True, True, False, None, True, False, True, True]


def test_numbers_there_and_back():
    values = np.array([3, -1, 7], np.int64)
    valid = np.array([True, False, True])
    assert from_numbers(values, pa.int64()).to_pylist() == [3, -1, 7]
    assert from_numbers(values, pa.int64(), valid).to_pylist() == [3, None, 7]
    assert from_numbers(values[:0], pa.int64()).to_pylist() == []
    assert from_numbers(values[::2], pa.int64()).to_pylist() == [3, 7]
    assert as_numbers(from_numbers(values, pa.int64()), np.int64).tolist() == [3, -1, 7]


@pytest.mark.parametrize("start", range(len(FLAGS) + 1))
def test_flags_from_any_place_of_an_array(start: int):
    wanted = [bool(flag) for flag in FLAGS]
    whole = pa.array(FLAGS, pa.bool_())
    assert as_flags(whole.slice(start)).tolist() == wanted[start:]
    assert as_flags(whole.slice(0, start)).tolist() == wanted[:start]
    chunks = pa.chunked_array([whole.slice(0, start), whole.slice(start)])
    assert as_flags(chunks).tolist() == wanted
    assert as_flags(from_flags(np.array(wanted, np.bool_)).slice(start)).tolist() == wanted[start:]


def test_numbers_from_any_place_and_from_chunks():
    whole = pa.array([1, 2, None, 4, 5], pa.int32())
    assert as_numbers(whole.slice(3), np.int32).tolist() == [4, 5]
    assert as_numbers(pa.chunked_array([whole[:2], whole[3:]]), np.int32).tolist() == [1, 2, 4, 5]
    assert as_numbers(pa.chunked_array([], pa.int32()), np.int32).tolist() == []


def test_texts():
    assert texts(["", "Zoë", "|"]).to_pylist() == ["", "Zoë", "|"]
    assert texts([]).to_pylist() == []


def test_a_batch_goes_to_the_wire_and_is_counted_without_pandas(tmp_path):
    """It costs each worker a quarter of a second; a hook that wants it imports it."""
    lines = ["id,price,at,day,paid,note"]
    lines += [f"{n},{n}.50,2024-07-01T12:00:00Z,2024-02-{1 + n % 28:02d},t,é{n}" for n in range(50)]
    (tmp_path / "sales.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "sales.toml").write_text(SCHEMA)
    (tmp_path / "migrate.toml").write_text(PROFILE)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["50", "False"]


PROFILE = """
[profiles.default]
plugins = ["files"]
target = "postgresql://nobody@127.0.0.1/nowhere"
[files.streams.sales]
path = "sales.csv"
schema = "sales.toml"
"""
SCHEMA = """
table = "sales"
key = ["id"]
[format]
kind = "csv"
encoding = "utf-8"
delimiter = ","
null = [""]
[columns]
id = { type = "int64" }
price = { type = "decimal(12,2)" }
at = { type = "timestamp" }
day = { type = "date" }
paid = { type = "bool", true = ["t"], false = ["f"] }
note = { type = "text" }
"""
PROGRAM = """
import sys
from messy_migration.fingerprint.rows import fingerprint
from messy_migration.pipeline import losses, records
from messy_migration.pipeline.cut import cut
from messy_migration.pipeline.prepare import prepare_batch
from messy_migration.workers.worker import extracted_items
from messy_migration.workspace import Request, open_workspace
from messy_migration.databases.postgresql.copy import encode

workspace = open_workspace(Request())
(stream,) = workspace.streams()
table = stream.tables[0]
section = workspace.registry.sections["files"]
(part,) = workspace.registry.call_one(
    "files", "partitions", stream=stream, since=None, settings=section
)
(batch,) = cut(extracted_items(workspace, stream, part), 100, 1 << 20)
data = prepare_batch(workspace.registry, stream, part, batch, workspace.target.dialect.unstorable)
rows = data.tables["sales"]
assert b"".join(encode(rows.select(table.names), table.columns))
assert records.count([rows]) == len(losses.names(rows)) == 50
print(fingerprint(rows, table.columns).rows, "pandas" in sys.modules)
"""
