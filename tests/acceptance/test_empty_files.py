"""G14 as a person meets it: `plan` and `run` on an export that holds nothing at all."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

MIGRATE = str(Path(sys.executable).with_name("migrate"))
SCHEMA = (
    'table = "s"\nkey = ["id"]\n[format]\nkind = "csv"\nencoding = "utf-8"\ndelimiter = ","\n'
    'null = [""]\n[columns]\nid = { type = "int64" }\n'
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "s.toml").write_text(SCHEMA)
    (tmp_path / "migrate.toml").write_text(
        '[profiles.default]\ntarget = "sqlite:///m.db"\nplugins = ["files"]\nworkers = 1\n'
        '[files.streams.s]\npath = "in/*"\nschema = "s.toml"\n'
    )
    (tmp_path / "in").mkdir()
    return tmp_path


def migrate(folder, *words):
    return subprocess.run(
        [MIGRATE, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "content", [b"", b"\xef\xbb\xbf", gzip.compress(b"")], ids=["no_byte", "a_mark", "a_gz"]
)
@pytest.mark.parametrize("beside", [False, True])
def test_g14_an_empty_file_is_exit_5_in_plan_and_run(folder, content, beside):
    (folder / "in/b.csv").write_bytes(content)
    if beside:
        (folder / "in/a.csv").write_bytes(b"id\n1\n")
    planned = migrate(folder, "plan")
    assert planned.returncode == 5
    assert "the file is empty [in/b.csv]" in planned.stdout + planned.stderr
    done = migrate(folder, "run", "--json")
    assert done.returncode == 5
    assert done.stderr.count("the file is empty [files.s, in/b.csv]") == 1
    assert json.loads(done.stdout)["verdict"] == "UNKNOWN"


def test_g14_a_header_without_a_record_is_a_match(folder):
    (folder / "in/b.csv").write_bytes(b"id\n")
    assert migrate(folder, "plan").returncode == 0
    assert migrate(folder, "run").returncode == 0
