"""A run that is resumed under other settings: what is committed stays, and is located as it was."""

from __future__ import annotations

import json
import signal
import time

import pytest

SOURCE = """
import time
from pydantic import Field
from pydantic_settings import BaseSettings
from messy_migration.errors import SourceError

class Settings(BaseSettings):
    prefix: str = ""
    page: int = Field(2, json_schema_extra={"rows": False})
    greeting: str = ""

@hookimpl
def settings_model(): return Settings

@hookimpl
def streams(settings):
    return [Stream("src.s", (table("s", key=%(key)s),), settings=%(settings)s)]

@hookimpl
def partitions(): return [Partition("p.csv", "digest of p")]

@hookimpl
def extract(%(arguments)s):
    names = "abcdefghijkl"
    for start in range(0, 12, 2):
        if start > 6 and os.path.exists("stop"):
            with open("stop") as file:
                how = file.read()
            if how == "kill":
                open("reached", "w").close()
                time.sleep(100)
            raise SourceError("the source is away", "src")
        yield frame([%(prefix)s + name for name in names[start:start + 2]], start + 1)
"""

RULE = """
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    mark: str
    hidden: str = ""
    longest: int = 99

@hookimpl
def settings_model(): return Settings

@hookimpl
def transform(batch, settings):
    names = pc.binary_join_element_wise(batch.table["name"], settings.mark, "-")
    place = batch.table.schema.get_field_index("name")
    return batch.table.set_column(place, "name", names)

@hookimpl
def validate(table, batch, settings):
    return [
        Violation(record, table, "name", "rule.long", "too long")
        for record, name in zip(batch.table["_record"].to_pylist(), batch.table["name"].to_pylist())
        if len(name) > settings.longest
    ]
"""

CANARY = "canary-4711-secret"


class Shop:
    """A project whose run is stopped in the middle of a partition, under settings of a rule."""

    def __init__(self, project):
        self.project = project

    def install(self, *, key=("id",), settings="{}", is_read=False):
        self.project.install(
            "src",
            SOURCE
            % {
                "key": repr(key),
                "settings": settings,
                "arguments": "settings" if is_read else "",
                "prefix": "settings.prefix" if is_read else "''",
            },
        )
        self.project.install("rule", RULE)

    def under(self, mark="one", src="", rule="", profile=""):
        sections = f'[src]\n{src}\n[rule]\nmark = "{mark}"\n{rule}'
        self.project.configure(f"quarantine_limit = 100\nbatch_records = 2\n{profile}", sections)
        return self

    def stopped(self, how="error"):
        self.project.write("stop", how)
        if how == "kill":
            self.killed()
        else:
            assert self.project.migrate("run", "--json").code == 5
        (self.project.folder / "stop").unlink()
        return self.committed()

    def killed(self, *more):
        """A run that is killed with all its processes while its source makes it wait."""
        reached = self.project.folder / "reached"
        reached.unlink(missing_ok=True)
        run = self.project.start("run", *more)
        end = time.monotonic() + 60
        while not reached.exists():
            assert run.process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        run.signal(signal.SIGKILL, group=True)
        run.wait()

    def run(self, *more):
        return self.project.migrate("run", "--json", *more)

    def committed(self):
        receipts = self.project.ledger("receipt")
        query = f"SELECT count(*) FROM {receipts} WHERE kind = 'load'"
        return self.project.query(query)[0][0]

    def names(self):
        return dict(self.project.query("SELECT id, name FROM s ORDER BY id"))

    def kept(self):
        runs = self.project.query(f"SELECT options FROM {self.project.ledger('run')}")
        return [json.loads(options).get("settings") for (options,) in runs]

    def located(self, *rows):
        """The differences that a reconciliation names after one cell of each row was changed."""
        for row in rows:
            self.project.execute(f"UPDATE s SET name = 'zz' WHERE id = {row}")
        result = self.project.migrate("reconcile", "--json")
        assert result.code == 8
        return sorted(
            (int(entry["key"]["id"]), *entry["columns"]) for entry in result.json["differences"]
        )


@pytest.fixture
def shop(project):
    return Shop(project)


@pytest.mark.parametrize("how", ["error", "kill"])
@pytest.mark.parametrize("key", [("id",), ()], ids=["keyed", "keyless"])
def test_what_was_committed_under_another_threshold_stays_and_is_located_as_it_was(shop, how, key):
    shop.install(key=key)
    count = shop.under("one").stopped(how)
    assert 1 < count < 6
    result = shop.under("two").run().matched()
    (note,) = result.json["loaded_before"]
    assert f"{count} batches of p.csv were loaded under other settings (rule.mark)" in note
    names = shop.names()
    assert [name.partition("-")[2] for name in names.values()] == (
        ["one"] * 2 * count + ["two"] * (12 - 2 * count)
    )
    assert result.counts("src.s") == (12, 12, 0, 0)
    assert shop.run().matched().json["loaded_before"] == []
    shop.project.migrate("reconcile", "--json").matched()
    if key:
        assert shop.located(1, 12) == [(1, "name"), (12, "name")]


def test_two_changes_and_the_way_back_lose_no_row_and_double_none(shop):
    shop.install(key=())
    first = shop.under("one").stopped()
    shop.project.write("stop", "error")
    shop.under("two")
    shop.run()
    second = shop.committed()
    (shop.project.folder / "stop").unlink()
    result = shop.under("one").run().matched()
    assert result.counts("src.s") == (12, 12, 0, 0)
    assert second >= first
    assert len(shop.kept()[0]) == 2
    assert shop.project.query("SELECT count(*), count(DISTINCT id) FROM s") == [(12, 12)]


def test_a_run_says_beforehand_what_it_will_do(shop):
    shop.install()
    count = shop.under("one").stopped()
    shop.under("two")
    (told,) = shop.project.migrate("plan", "--json").json["streams"]
    (note,) = told["notes"]
    assert f"{count} batches of p.csv were loaded under other settings (rule.mark)" in note
    assert note in shop.project.migrate("plan").out
    assert shop.run().matched().json["loaded_before"] == [note]


@pytest.mark.parametrize("key", [("id",), ()], ids=["keyed", "keyless"])
def test_what_may_be_cut_otherwise_is_refused_with_the_way_out(shop, key):
    shop.install(key=key, settings="settings", is_read=True)
    shop.under(src='prefix = "x"').stopped()
    result = shop.under(src='prefix = "y"').run()
    assert result.code == 4
    (problem,) = result.json["problems"]
    assert "under other settings (src.prefix) its records may be others" in problem["why"]
    assert ("--restart" in problem["next"]) is bool(key)
    if key:
        shop.run("--restart").matched()
        assert {name[0] for name in shop.names().values()} == {"y"}
        assert shop.located(1, 12) == [(1, "name"), (12, "name")]
    else:
        shop.under(src='prefix = "x"').run().matched()
        assert {name[0] for name in shop.names().values()} == {"x"}


def test_another_page_size_or_a_rotated_secret_is_the_same_plan(shop):
    shop.install(settings="settings", is_read=True)
    secret = 'greeting = "env://OF_GREETING"'
    shop.under(src=secret, rule='hidden = "env://OF_GREETING"')
    shop.project.write("stop", "error")
    shop.project.migrate("run", OF_GREETING=CANARY)
    (shop.project.folder / "stop").unlink()
    shop.under(src=f"{secret}\npage = 9", rule='hidden = "env://OF_GREETING"')
    result = shop.project.migrate("run", "--json", OF_GREETING="rotated-0815").matched()
    assert result.json["loaded_before"] == []
    assert len(shop.kept()[0]) == 1


def test_the_settings_are_kept_and_no_secret_is(shop):
    shop.install(settings="settings", is_read=True)
    shop.under(src='greeting = "env://OF_GREETING"', rule='hidden = "file://secret.txt"')
    shop.project.write("secret.txt", CANARY)
    result = shop.project.migrate("run", "--json", OF_GREETING=CANARY).matched()
    ((kept,),) = shop.kept()
    assert kept["sections"] == {"src": {"prefix": ""}, "rule": {"mark": "one", "longest": 99}}
    assert set(kept["versions"]) == {"src", "rule"}
    evidence = json.loads((shop.project.folder / result.json["report"]).read_text())
    assert evidence["run"]["options"]["settings"] == [kept]
    dump = b"".join(
        path.read_bytes()
        for path in shop.project.folder.rglob("*")
        if path.is_file() and path.name != "secret.txt"
    )
    assert CANARY.encode() not in dump
    shop.project.migrate("report", "verify", OF_GREETING=CANARY)


def test_a_run_of_a_finished_one_is_located_under_the_settings_of_then(shop):
    shop.install()
    shop.under("one").run().matched()
    shop.under("two")
    assert shop.located(3) == [(3, "name")]


def test_without_the_settings_of_then_it_is_said_which_differ(shop):
    shop.install()
    shop.under("one").run().matched()
    shop.project.install(
        "rule",
        RULE.replace("mark: str", "mark: Literal['two']").replace(
            "from pydantic_settings", "from typing import Literal\nfrom pydantic_settings"
        ),
    )
    shop.under("two")
    shop.project.execute("UPDATE s SET name = 'zz' WHERE id = 3")
    result = shop.project.migrate("reconcile")
    assert result.code == 8
    assert "rule.mark" in result.out + result.err


def test_another_version_is_refused_and_named(shop):
    shop.install()
    shop.under("one").stopped()
    (info,) = shop.project.folder.glob("site/mm_test_rule-1.0.dist-info")
    metadata = info / "METADATA"
    metadata.write_text(metadata.read_text().replace("1.0", "2.0"))
    for change in ("one", "two"):
        result = shop.under(change).run()
        assert result.code == 4
        (problem,) = result.json["problems"]
        assert "half loaded" in problem["what"]
        assert "--restart" in problem["next"]
    metadata.write_text(metadata.read_text().replace("2.0", "1.0"))
    shop.under("one").run().matched()


def test_a_restart_reads_everything_again_and_merges_it(shop):
    shop.install()
    count = shop.under("one").stopped()
    result = shop.under("two").run("--restart").matched()
    assert result.json["resumed"] is False
    assert result.counts("src.s") == (12, 12, 0, 0)
    assert {name.partition("-")[2] for name in shop.names().values()} == {"two"}
    states = shop.project.query(f"SELECT state FROM {shop.project.ledger('run')}")
    assert [state for (state,) in states] == ["done", "done"]
    assert shop.committed() == count + 6
    assert shop.run().matched().counts("src.s") == (0, 0, 0, 0)
    assert shop.located(1, 12) == [(1, "name"), (12, "name")]


def test_a_restart_that_is_killed_goes_on_and_is_itself_restarted(shop):
    shop.install()
    shop.under("one").stopped()
    shop.project.write("stop", "kill")
    shop.under("two").killed("--restart")
    shop.killed("--restart")
    (shop.project.folder / "stop").unlink()
    result = shop.run().matched()
    assert result.json["resumed"] is True
    assert {name.partition("-")[2] for name in shop.names().values()} == {"two"}
    assert shop.run("--restart").matched().counts("src.s") == (12, 12, 0, 0)
    assert shop.run("--restart").matched().counts("src.s") == (12, 12, 0, 0)
    assert len(shop.names()) == 12
    assert shop.located(1, 12) == [(1, "name"), (12, "name")]


def test_a_restart_doubles_no_row_of_a_stream_without_a_key(shop):
    shop.install(key=())
    count = shop.under("one").stopped()
    result = shop.under("two").run("--restart").matched()
    assert result.counts("src.s") == (12 - 2 * count, 12 - 2 * count, 0, 0)
    again = shop.run("--restart").matched()
    (note,) = again.json["loaded_before"]
    assert "it has no key" in note
    assert shop.project.query("SELECT count(*), count(DISTINCT id) FROM s") == [(12, 12)]


def test_quarantine_of_the_half_that_is_read_again_is_that_of_the_new_settings(shop):
    shop.install()
    shop.under("one", rule="longest = 4").stopped()
    shop.under("two", rule="longest = 9").run("--restart").matched()
    assert len(shop.names()) == 12
    query = f"SELECT count(*) FROM {shop.project.ledger('quarantine')} WHERE state = 'open'"
    assert shop.project.query(query) == [(0,)]


LANDED = """
import hashlib
import time
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    mark: str

@hookimpl
def settings_model(): return Settings

@hookimpl
def streams(settings): return [Stream("src.s", (table("s"),), lands=True, settings=settings)]

def window(number, mark):
    digest = hashlib.sha256(f"{number} {mark}".encode()).hexdigest()
    return Partition(f"window {number}", digest, {"number": number, "mark": mark})

@hookimpl
def partitions(planned, settings):
    numbers = (1, 2) if planned is None else [part.bounds["number"] for part in planned]
    return [window(number, settings.mark) for number in numbers]

@hookimpl
def extract(partition):
    with open("asked", "a") as file:
        file.write(partition.name + chr(10))
    yield frame("abcdef", partition.bounds["number"] * 6 - 5)

@hookimpl
def transform(batch):
    if os.path.exists("stop") and max(batch.table["id"].to_pylist()) > 2:
        open("reached", "w").close()
        time.sleep(100)
    names = pc.binary_join_element_wise(batch.table["name"], batch.partition.bounds["mark"], "-")
    place = batch.table.schema.get_field_index("name")
    return batch.table.set_column(place, "name", names)
"""


def test_a_window_that_is_half_loaded_stays_as_planned_and_the_others_are_asked_for_anew(shop):
    def under(mark):
        profile = "quarantine_limit = 100\nbatch_records = 2"
        shop.project.configure(profile, f'[src]\nmark = "{mark}"')

    shop.project.install("src", LANDED)
    under("one")
    shop.project.write("stop", "")
    shop.killed()
    assert shop.committed() == 1
    (shop.project.folder / "stop").unlink()
    under("two")
    result = shop.run().matched()
    (note,) = result.json["loaded_before"]
    assert note == (
        "src.s: 1 batch of window 1 was loaded under other settings (src.mark) and stays;"
        " the rest of it as it was planned, all else under those of today"
    )
    marks = [name.partition("-")[2] for name in shop.names().values()]
    assert marks == ["one"] * 6 + ["two"] * 6
    asked = (shop.project.folder / "asked").read_text().split("\n")
    assert asked == ["window 1", "window 2", ""]
    assert shop.located(1, 5, 9) == [(1, "name"), (5, "name"), (9, "name")]
