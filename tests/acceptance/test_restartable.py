"""G17: a source that gives its records in another order each time is refused, exit code 4."""

from __future__ import annotations

import pytest

from .authored import STREAM, Authored

WORDS = ("--plugins", "moves", "--target", "sqlite:///m.db")
BODY = """
import os, random
from messy_migration.model import Rejected
ROWS = [(n, f"row {n}") for n in range(500)]

def frame(rows):
    return Frame(pa.table({"id": [n for n, _ in rows], "name": [t for _, t in rows]}))
"""
EXTRACTS = {
    "order": "yield frame(random.sample(ROWS, len(ROWS)))",
    "count": "yield frame(ROWS[: 1 + int.from_bytes(os.urandom(4)) % 400])",
    "value": "yield frame([(n, os.urandom(4).hex()) for n, _ in ROWS])",
    "rejected": "yield Rejected(os.urandom(8), 'p', 'no', 'moves.r')\n    yield frame(ROWS)",
}
PARTITIONS = """
@hookimpl
def partitions():
    return [Partition(f"p{n}", f"{n:064x}") for n in range(3)]
"""


@pytest.fixture
def authored(tmp_path):
    return Authored.make(tmp_path)


def source(extract, *, lands=False):
    head, _, _ = STREAM.partition("@hookimpl\ndef extract")
    if lands:
        head = head.replace("(TABLE,))]", "(TABLE,), lands=True)]")
    return f"{head}{BODY}\n@hookimpl\ndef extract(partition):\n    {extract}\n"


@pytest.mark.parametrize("way", EXTRACTS)
def test_g17_a_source_that_does_not_begin_again_is_named_and_no_match(authored, way):
    authored.install("moves", source(EXTRACTS[way]))
    done = authored.migrate("run", "--json", *WORDS)
    assert done.code == 4, done.err
    assert done.json["verdict"] == "UNKNOWN"
    (line,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert all(word in line for word in ("plugin moves", "moves.s", "all, batch 0")), line
    assert done.json["streams"][0]["loaded"] == 0


def test_g17_one_partition_of_several_is_begun_twice(authored):
    extract = "yield frame(ROWS[:9] if partition.name != 'p0' else random.sample(ROWS, 99))"
    authored.install("moves", source(extract) + PARTITIONS)
    done = authored.migrate("run", "--json", *WORDS)
    assert done.code == 4
    assert "p0, batch 0" in done.err


def test_g17_a_source_that_begins_again_is_read_as_before(authored):
    marks = authored.folder / "marks"
    counted = "open(os.environ['MARKS'], 'a').write(partition.name + chr(10))\n    "
    authored.install("moves", source(f"{counted}yield frame(ROWS)") + PARTITIONS)
    done = authored.migrate("run", "--json", *WORDS, MARKS=str(marks))
    assert done.code == 0, done.err
    assert sorted(marks.read_text().split()) == ["p0", "p0", "p1", "p2"]


def test_g17_what_lands_is_asked_once(authored):
    marks = authored.folder / "marks"
    counted = "open(os.environ['MARKS'], 'a').write(partition.name + chr(10))\n    "
    authored.install("moves", source(counted + EXTRACTS["order"], lands=True))
    done = authored.migrate("run", "--json", *WORDS, MARKS=str(marks))
    assert done.code == 0, done.err
    assert marks.read_text().split() == ["all"]
