"""Other tools that bring CSV files into Postgres, each in an environment that is thrown away.

A peer gets the files, the declared types and a fresh database, and has to leave the right number
of rows in tables of the right names. It is started as a program, like ours, and set up as its
own documentation recommends for speed where that is one setting.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Usage, measured
from benchmarks.servers import plain
from messy_migration.model import Table

_READ = """
import json, sys
import pyarrow as pa
from pyarrow import csv
url, job = sys.argv[1], json.load(open(sys.argv[2]))
KINDS = {"text": pa.string(), "uuid": pa.string(), "json": pa.string(), "int16": pa.int16(),
    "int32": pa.int32(), "int64": pa.int64(), "bool": pa.bool_(), "float64": pa.float64(),
    "timestamp": pa.timestamp("us", "UTC"), "date": pa.date32()}
def kind(name):
    if name.startswith("decimal"):
        return pa.decimal128(*map(int, name[8:-1].split(",")))
    return KINDS[name]
def batches(table):
    return csv.open_csv(table["path"], read_options=csv.ReadOptions(block_size=8 << 20),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(strings_can_be_null=True, null_values=[""],
            quoted_strings_can_be_null=False, true_values=["t", "true"],
            false_values=["f", "false"],
            column_types={name: kind(text) for name, text in table["columns"].items()}))
"""
_DLT = """
import os
os.environ["DATA_WRITER__DISABLE_COMPRESSION"] = "true"
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
import dlt
def resource(name, table):
    def rows():
        for batch in batches(table):
            yield pa.Table.from_batches([batch])
    return dlt.resource(rows, name=name, primary_key=table["key"], write_disposition="append")
pipeline = dlt.pipeline("bench", destination=dlt.destinations.postgres(url),
    dataset_name="public", pipelines_dir="dlt")
pipeline.run([resource(name, table) for name, table in job.items()], loader_file_format="csv")
"""
_ADBC = """
from adbc_driver_postgresql import dbapi
with dbapi.connect(url) as connection, connection.cursor() as cursor:
    for name, table in job.items():
        cursor.adbc_ingest(name, batches(table), mode="append")
    connection.commit()
"""
_CSV = """
import psycopg
with psycopg.connect(url) as connection, connection.cursor() as cursor:
    for name, table in job.items():
        with cursor.copy(f"COPY {name} FROM STDIN (FORMAT csv)") as copy:
            for batch in batches(table):
                out = pa.BufferOutputStream()
                csv.write_csv(batch, out, csv.WriteOptions(include_header=False))
                copy.write(out.getvalue())
"""


@dataclass(frozen=True)
class Peer:
    """A tool beside us.

    Attributes:
        requirements: what pip installs.
        program: what it runs, after `_READ`.
        is_given_tables: it loads into tables that are there, with their keys.
        data: what it can load; a uuid or a jsonb from text it may not know how to send.
    """

    requirements: tuple[str, ...]
    program: str
    is_given_tables: bool
    data: tuple[str, ...] = ("tickets", "ticketing")


PEERS: Mapping[str, Peer] = {
    "dlt": Peer(("dlt[postgres]", "pyarrow"), _DLT, is_given_tables=False),
    "adbc": Peer(
        ("adbc-driver-postgresql", "pyarrow"), _ADBC, is_given_tables=True, data=("tickets",)
    ),
    "csv": Peer(("psycopg[binary]", "pyarrow"), _CSV, is_given_tables=True),
}
"""dlt, Arrow through ADBC, and Arrow written as CSV into COPY."""


def chosen(text: str, data: str) -> list[str]:
    """The peers of a comma-separated list.

    Raises:
        ValueError: there is none of that name, or it cannot load this data.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in PEERS:
            raise ValueError(f"there is no peer {name!r}; the peers are {', '.join(PEERS)}")
        if data not in PEERS[name].data:
            raise ValueError(f"the peer {name!r} cannot load --data {data}")
    return names


def install(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """The Python of each peer, with what it needs, below a folder.

    Raises:
        SystemExit: pip cannot install it.
    """
    pythons = {}
    for name in names:
        home = folder / f"peer-{name}"
        venv.create(home, with_pip=True)
        pythons[name] = home / "bin" / "python"
        command = [str(pythons[name]), "-m", "pip", "install", "-q", *PEERS[name].requirements]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"pip cannot install {name}: {done.stderr.strip()}")
    return pythons


def run(python: Path, name: str, url: str, files: Mapping[Table, Path], folder: Path) -> Usage:
    """One load by a peer; one that fails ends the benchmark."""
    job = {
        table.name: {
            "path": str(path),
            "key": list(table.key),
            "columns": {column.name: str(column.type) for column in table.columns},
        }
        for table, path in files.items()
    }
    job_file = folder / f"load-with-{name}.json"
    job_file.write_text(json.dumps(job))
    program = folder / f"load_with_{name}.py"
    program.write_text(_READ + PEERS[name].program)
    usage = measured([str(python), str(program), plain(url), str(job_file)], folder, {})
    if (state := folder / "dlt").exists():
        state.rename(folder / f"dlt-{len(list(folder.glob('dlt-*')))}")
    return usage
