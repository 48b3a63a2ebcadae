"""How many rows a source has, where it only guesses, is no count."""

from __future__ import annotations


def test_g36_ranges_of_postgres_are_estimates_and_those_of_sqlite_are_counts(source, open_plugin):
    source.run("CREATE TABLE t (id integer PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    plugin = open_plugin(source)
    (part,) = plugin.partitions(plugin.streams()["t"])
    assert part.estimated is (source.kind == "postgresql")
    assert part.estimated or part.records == 2


def test_g36_a_table_without_a_key_is_counted_everywhere(source, open_plugin):
    source.run("CREATE TABLE t (id integer)", "INSERT INTO t VALUES (1), (2)")
    plugin = open_plugin(source)
    (part,) = plugin.partitions(plugin.streams()["t"])
    assert (part.estimated, part.records) == (False, 2)
