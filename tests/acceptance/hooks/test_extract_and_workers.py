"""Sources that fail in the middle, and plugins that take their worker down with them."""

from __future__ import annotations

import pytest

BROKEN = """
class Odd(Exception):
    def __init__(self, a, b):
        super().__init__(a)
        self.handle = open(__file__)
    def __reduce__(self):
        raise TypeError("this cannot be pickled: CANARY-VALUE")

from messy_migration.errors import SourceError

class MySource(SourceError):
    def __init__(self):
        super().__init__("my source is closed", "counter 7", "it is Sunday", "come tomorrow")

def odd():
    raise Odd("CANARY-VALUE", 2)
    yield

def late(error):
    yield frame("ab")
    raise error

def own():
    raise MySource
    yield

ITEMS = {
    "unpicklable": odd,
    "own_error": own,
    "value": lambda: late(ValueError("CANARY-VALUE")),
    "exit": lambda: late(SystemExit(0)),
    "interrupt": lambda: late(KeyboardInterrupt()),
    "closed": lambda: late(GeneratorExit()),
    "memory": lambda: late(MemoryError()),
    "none": lambda: None,
    "number": lambda: 3,
    "dicts": lambda: iter([{"id": 1}]),
    "other_columns": lambda: iter([Frame(pa.table({"id": [1], "nam": ["x"]}))]),
    "mixed_columns": lambda: iter([frame(), Frame(pa.table({"id": [1]}))]),
    "other_type": lambda: iter([Frame(pa.table({"id": ["one"], "name": ["x"]}))]),
    "no_frame": lambda: iter([Frame([1, 2])]),
    "good": lambda: iter([frame()]),
    "talking": lambda: (print("talking in extract"), iter([frame()]))[1],
    "empty": lambda: iter([frame("")]),
    "rejecting": lambda: iter([
        frame(),
        Rejected(b"\\xff\\x00raw", "page:7", "it is odd", "src.odd", "name"),
        Filtered("src.blank", 3),
    ]),
}

@hookimpl
def streams():
    return [Stream(f"src.{name}", (table(f"t_{name}"),)) for name in ITEMS]

@hookimpl
def extract(stream):
    return ITEMS[stream.name.removeprefix("src.")]()
"""


@pytest.fixture(scope="module")
def ran(shared_project):
    shared_project.install("src", BROKEN)
    return shared_project, shared_project.migrate("run", "--json")


FAILURES = {
    "unpicklable": "Odd at",
    "own_error": "my source is closed",
    "value": "ValueError at",
    "exit": "SystemExit at",
    "interrupt": "KeyboardInterrupt",
    "closed": "GeneratorExit",
    "memory": "MemoryError at",
    "none": "does not extract it",
    "number": "TypeError",
    "dicts": "it is a dict",
    "other_columns": "name is missing",
    "mixed_columns": "name is missing",
    "other_type": "column id does not have the declared type",
    "no_frame": "it is a Frame",
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_source_that_fails_costs_its_stream_and_says_how(ran, name):
    project, result = ran
    assert result.verdicts()[f"t_{name}"] == "UNKNOWN"
    assert project.query(f"SELECT count(*) FROM t_{name}") == [(0,)]
    where = "counter 7" if name == "own_error" else f"src.{name},"
    found = [p for p in result.json["problems"] if where in f"{p['where']},"]
    assert len(found) == 1, result.json["problems"]
    assert FAILURES[name] in f"{found[0]['what']} {found[0]['why']}"
    assert found[0]["exit_code"] == (5 if name == "own_error" else 4)


def test_the_other_streams_are_loaded_and_the_run_names_each_failure_once(ran):
    project, result = ran
    assert result.code == 5
    assert len(result.errors) == len(result.json["problems"]) == len(FAILURES)
    assert "CANARY-VALUE" not in result.out + result.err
    for name in ("good", "talking", "empty", "rejecting"):
        assert result.verdicts()[f"t_{name}"] == "MATCH"
    assert result.counts("src.rejecting") == (10, 6, 1, 3)
    [entry] = project.quarantine("src.rejecting")
    assert entry == ("page:7", "src.odd", "name", "/wByYXc=")
    project.assert_balanced()


HALFWAY = """
@hookimpl
def streams(): return [Stream("src.s", (table("s"),)), Stream("src.t", (table("t", key=()),))]

@hookimpl
def partitions(stream):
    return [Partition(f"p{n}", f"{stream.name} {n}", {"n": n}) for n in (0, 1)]

@hookimpl
def extract(stream, partition):
    for start in range(1, 7, 2):
        yield frame("ab", start=10 * partition.bounds["n"] + start)
    if partition.bounds["n"] == 0 and not os.path.exists("repaired"):
        raise ValueError
"""


def test_a_source_that_fails_midway_keeps_its_batches_and_is_resumed(anywhere):
    anywhere.install("src", HALFWAY)
    anywhere.configure("batch_records = 2")
    broken = anywhere.migrate("run", "--json")
    assert broken.code == 4
    assert broken.json["verdict"] == "UNKNOWN"
    for name in ("s", "t"):
        assert anywhere.query(f"SELECT count(*) FROM {name}") == [(4 + 6,)]
        assert broken.counts(f"src.{name}") == (10, 10, 0, 0)
    (anywhere.folder / "repaired").touch()
    resumed = anywhere.migrate("run", "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.json["resumed"]
    assert resumed.json["run_id"] == broken.json["run_id"]
    for name in ("s", "t"):
        assert resumed.counts(f"src.{name}") == (12, 12, 0, 0)
        ids = anywhere.query(f"SELECT id FROM {name} ORDER BY id")
        assert ids == [(number,) for number in (1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16)]


DEADLY = """
@hookimpl
def streams(): return [Stream("src.s", (table("s"),))]

@hookimpl
def partitions(stream):
    return [Partition(f"p{n}", f"{stream.name} {n}", {"n": n}) for n in range(4)]

@hookimpl
def extract(partition):
    if partition.bounds["n"] == 1 and not os.path.exists("repaired"):
        with open("attempts", "a") as file:
            file.write("x")
        DIE
    yield frame("ab", start=1 + 2 * partition.bounds["n"])
"""


@pytest.mark.parametrize(
    "die, words",
    [
        ("os.abort()", "signal 6 (SIGABRT)"),
        ("os._exit(0)", "exit status 0"),
    ],
    ids=["L26-abort", "L02-exit"],
)
def test_a_worker_that_dies_costs_three_attempts_of_its_piece_and_nothing_else(project, die, words):
    project.install("src", DEADLY.replace("DIE", die))
    result = project.migrate("run", "--json", "--workers", "2")
    assert result.code == 4
    [line] = result.errors
    assert "workers died again and again on the same partition [src.s, p1]" in line
    assert words in line
    assert (project.folder / "attempts").read_text() == "xxx"
    assert result.verdicts() == {"s": "UNKNOWN"}
    assert project.query("SELECT id FROM s ORDER BY id") == [(n,) for n in (1, 2, 5, 6, 7, 8)]
    (project.folder / "repaired").touch()
    again = project.migrate("run", "--json")
    assert again.code == 0
    assert again.verdicts() == {"s": "MATCH"}
    assert again.counts("src.s") == (8, 8, 0, 0)


def test_a_record_that_workers_die_of_costs_itself_and_the_proof_does_not_die_of_it(project):
    project.install(
        "src",
        """
@hookimpl
def streams(): return [Stream("src.s", (table("s"),))]

@hookimpl
def extract(): yield frame("abcd")

@hookimpl
def transform(batch):
    if 3 in batch.table["id"].to_pylist(): os.abort()
""",
    )
    result = project.migrate("run", "--json", "--workers", "1")
    assert result.code == 0
    assert result.verdicts() == {"s": "MATCH"}
    assert result.counts("src.s") == (4, 3, 1, 0)
    project.execute("UPDATE s SET name = 'z' WHERE id = 4")
    proof = project.migrate("reconcile", "--json")
    assert proof.code == 8
    assert [item["key"] for item in proof.json["differences"]] == [{"id": "4"}]


def test_partitions_that_are_none_are_named(project):
    project.install(
        "src",
        """
        ITEMS = {
            "raises": None,
            "digests": [Partition("a", "1"), Partition("b", "1")],
            "names": [Partition("a", "1"), Partition("a", "2")],
            "text": "a",
        }
        @hookimpl
        def streams(): return [Stream(f"src.{n}", (table(n),)) for n in ITEMS]
        @hookimpl
        def partitions(stream):
            if stream.name == "src.raises":
                raise ValueError("CANARY-VALUE")
            return ITEMS[stream.name.removeprefix("src.")]
        @hookimpl
        def extract(): yield frame()
        """,
    )
    result = project.migrate("run", "--json")
    assert result.code == 4
    assert set(result.verdicts().values()) == {"UNKNOWN"}
    assert len(result.errors) == len(result.verdicts()) == 4
    assert any("ValueError at mm_test_src.py" in line for line in result.errors)
    assert any("the same digest" in line for line in result.errors)
    assert any("the same name" in line for line in result.errors)
    assert any("no Partition" in line for line in result.errors)
    assert "CANARY-VALUE" not in result.out + result.err
