"""Files and archives: which are taken, which are refused, and what is read of damaged ones."""

from __future__ import annotations

import gzip
import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from messy_migration.errors import ConfigurationError, SourceError
from messy_migration_files import source

TWO = {"a": "int32", "b": "text"}


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return packed.getvalue()


def rows_of(n: int) -> bytes:
    return b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i * 7919 % 10007) for i in range(n))


@pytest.fixture
def two(folder):
    folder.schema(TWO)
    folder.pattern = "d/*"
    return folder


def test_one_partition_per_file_in_the_order_of_names(two):
    for name in ("c.csv", "a.csv", "b.csv"):
        two.write(f"d/{name}", f"a,b\n1,{name}\n")
    (two.path / "d" / "folder").mkdir()
    assert [p.name for p in two.partitions()] == ["d/a.csv", "d/b.csv", "d/c.csv"]
    assert two.partitions() == two.partitions()
    assert len({p.digest for p in two.partitions()}) == 3


def test_digest_follows_content_and_schema_but_not_the_name(two):
    two.write("d/a.csv", "a,b\n1,x\n")
    (first,) = two.partitions()
    (two.path / "d/a.csv").rename(two.path / "d/z.csv")
    (renamed,) = two.partitions()
    assert renamed.digest == first.digest
    two.schema(TWO | {"b": "int32"})
    (other_schema,) = two.partitions()
    two.schema(TWO)
    two.write("d/z.csv", "a,b\n1,y\n")
    (other_content,) = two.partitions()
    assert len({first.digest, other_schema.digest, other_content.digest}) == 3


@pytest.mark.parametrize("pattern", ["*.csv", "none.csv", "none/**/*.csv", "x.zip!*.csv"])
def test_f27_glob_that_matches_nothing(folder, pattern: str):
    folder.schema(TWO)
    folder.pattern = pattern
    with pytest.raises(SourceError, match="no file matches") as error:
        folder.partitions()
    assert error.value.where == pattern
    assert error.value.exit_code == 5


def test_f26_the_same_content_twice(two):
    two.write("d/a.csv", "a,b\n1,x\n")
    two.write("d/b.csv", "a,b\n1,x\n")
    with pytest.raises(SourceError, match=r"d/a\.csv and d/b\.csv"):
        two.partitions()


def test_f26_the_same_content_twice_in_one_archive(two):
    two.write("d/a.zip", zipped({"x.csv": rows_of(9), "y.csv": rows_of(9)}))
    with pytest.raises(SourceError, match=r"a\.zip!x\.csv and d/a\.zip!y\.csv"):
        two.partitions()


def test_f28_folder_pipe_and_unreadable_file(folder):
    folder.schema(TWO)
    folder.pattern = "d"
    (folder.path / "d").mkdir()
    with pytest.raises(SourceError, match="folder"):
        folder.partitions()
    folder.pattern = "pipe"
    os.mkfifo(folder.path / "pipe")
    with pytest.raises(SourceError, match="no regular file"):
        folder.partitions()
    folder.pattern = "dangling*"
    (folder.path / "dangling.csv").symlink_to(folder.path / "nowhere")
    with pytest.raises(SourceError, match="cannot be read"):
        folder.partitions()


def test_f29_names_that_would_forge_lines(folder):
    folder.schema(TWO)
    folder.write("a\nb'.csv", "a,b\n1,x\n2\n")
    (partition,) = folder.partitions()
    assert partition.name == "a\\x0ab'.csv"
    assert folder.run().rejected[0].where == "a\\x0ab'.csv:3"


def test_f29_name_that_is_no_utf8(folder):
    folder.schema(TWO)
    try:
        Path(os.fsdecode(os.fsencode(folder.path) + b"/\xff.csv")).write_text("a,b\n")
    except OSError as error:
        pytest.fail(f"this file system refuses the name that the test is about: {error}")
    with pytest.raises(SourceError, match="not UTF-8"):
        folder.partitions()


@pytest.mark.parametrize("block_size", [100, 4 << 20])
@pytest.mark.parametrize("name", ["d/a.csv.gz", "d/a.csv"])
def test_f20_gzip_by_its_first_bytes(two, name: str, block_size: int):
    two.write(name, gzip.compress(rows_of(500)) + gzip.compress(b"-1,x\n") + b"\0" * 512)
    outcome = two.run(block_size)
    assert outcome.error is None
    assert len(outcome.rows) == 501


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_f20_zip_by_its_first_bytes(two, method: int):
    entries = {
        "x/b.csv": b"a,b\n2,x\n",
        "a.CSV": b"a,b\n1,x\n",
        "README.txt": b"hello",
        ".hidden.csv": b"?",
        "__MACOSX/a.csv": b"?",
        "x/": b"",
    }
    two.write("d/data.csv", zipped(entries, method))
    assert [p.name for p in two.partitions()] == ["d/data.csv!a.CSV", "d/data.csv!x/b.csv"]
    assert [row["a"] for row in two.run().rows] == [1, 2]
    assert two.unmapped() == ()


def test_members_by_pattern(two):
    two.write("d/gtfs.zip", zipped({"stops.txt": b"a,b\n1,x\n", "trips.txt": b"c\n"}))
    two.pattern = "d/gtfs.zip!stops.txt"
    assert [p.name for p in two.partitions()] == ["d/gtfs.zip!stops.txt"]
    assert two.run().rows == [{"a": 1, "b": "x"}]


def test_truncated_gzip_gives_what_was_whole(two):
    packed = gzip.compress(rows_of(50_000))
    two.write("d/a.csv.gz", packed[: len(packed) // 2])
    two.write("d/b.csv", rows_of(3))
    outcome = two.run(10_000)
    assert 10_000 < len(outcome.rows) < 50_000
    assert [row["a"] for row in outcome.rows[:3]] == [0, 1, 2]
    assert "cut off [d/a.csv.gz]" in str(outcome.error)
    assert not outcome.rejected


def test_damaged_gzip(two):
    packed = bytearray(gzip.compress(rows_of(50_000)))
    packed[-6] ^= 0xFF
    two.write("d/a.csv.gz", bytes(packed))
    outcome = two.run(10_000)
    assert "damaged" in str(outcome.error)
    two.write("d/a.csv.gz", gzip.compress(b"a,b\n1,x\n") + b"rubbish")
    outcome = two.run()
    assert "damaged" in str(outcome.error)


def test_damaged_zip_member(two):
    packed = bytearray(zipped({"a.csv": rows_of(1000)}, zipfile.ZIP_STORED))
    packed[2000] ^= 0x01
    two.write("d/a.zip", bytes(packed))
    assert "damaged" in str(two.run().error)


def test_f18_truncated_zip_stops_its_own_partition_only(two):
    packed = zipped({"a.csv": rows_of(1000)})
    two.write("d/a.zip", packed[:-40])
    two.write("d/b.csv", rows_of(3))
    outcome = two.run()
    assert len(outcome.rows) == 3
    assert "the zip archive is damaged [d/a.zip]" in str(outcome.error)


def test_f19_hostile_archives(two):
    encrypted = bytearray(zipped({"a.csv": b"a,b\n"}, zipfile.ZIP_STORED))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.index(mark) + at] |= 1
    link = zipfile.ZipInfo("a.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    linked = io.BytesIO()
    with zipfile.ZipFile(linked, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    for why, data in (
        ("encrypted", bytes(encrypted)),
        ("symbolic link", linked.getvalue()),
        ("'..'", zipped({"../a.csv": b"a,b\n"})),
        ("'..'", zipped({"/a.csv": b"a,b\n"})),
        ("'..'", zipped({"C:a.csv": b"a,b\n"})),
        ("200 times", zipped({"a.csv": b"\n" * (10 << 20)})),
        ("10000 entries", zipped({f"{i}.csv": b"" for i in range(10_001)})),
        ("inside an archive", zipped({"a.csv": zipped({"b.csv": b"a"})})),
        ("stored nor deflated", zipped({"a.csv": b"a,b\n"}, zipfile.ZIP_BZIP2)),
        ("should hold", zipped({"a.txt": b"a,b\n"})),
    ):
        two.write("d/a.zip", data)
        outcome = two.run()
        assert why in str(outcome.error)
        assert isinstance(outcome.error, SourceError)
        assert outcome.records == 0


def test_f19_member_that_is_longer_than_its_archive_says(two):
    packed = bytearray(zipped({"a.csv": rows_of(1000)}))
    at = packed.index(b"PK\x01\x02") + 24
    packed[at : at + 4] = (100).to_bytes(4, "little")
    two.write("d/a.zip", bytes(packed))
    assert "longer than its archive says" in str(two.run().error)


def test_f19_gzip_bomb(two):
    two.write("d/a.csv.gz", gzip.compress(b"a,b\n" + b"1,x\n" * (5 << 20)))
    assert "200 times" in str(two.run().error)


def test_f18_file_that_changes_while_it_is_read(two):
    path = two.write("d/a.csv", rows_of(20_000))
    (partition,) = two.partitions()
    found = source.records(two.stream(), partition, two.settings(), 10_000)
    next(found)
    with path.open("ab") as file:
        file.write(b"1,x\n")
    with pytest.raises(SourceError, match="changed"):
        list(found)


def test_f18_file_that_changes_under_the_same_size_and_time(two):
    path = two.write("d/a.csv", rows_of(20_000))
    (partition,) = two.partitions()
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-2:-1] = b"?"
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(SourceError, match="changed"):
        list(source.records(two.stream(), partition, two.settings()))


def test_f18_file_that_is_another_or_gone_since_the_plan(two):
    path = two.write("d/a.csv", rows_of(10))
    (partition,) = two.partitions()
    path.write_bytes(rows_of(11))
    with pytest.raises(SourceError, match="changed"):
        list(source.records(two.stream(), partition, two.settings()))
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        list(source.records(two.stream(), partition, two.settings()))


def test_copy_with_another_time_is_the_same_input(two):
    path = two.write("d/a.csv", rows_of(10))
    (partition,) = two.partitions()
    os.utime(path, (1, 1))
    (frame,) = source.records(two.stream(), partition, two.settings())
    assert frame.table.num_rows == 10


def test_schema_that_changes_since_the_plan(two):
    two.write("d/a.csv", rows_of(10))
    (partition,) = two.partitions()
    two.schema(TWO | {"b": "int32"})
    with pytest.raises(ConfigurationError, match="changed since the run was planned"):
        list(source.records(two.stream(), partition, two.settings()))


def test_extracting_again_gives_the_same(two):
    two.write("d/a.csv", rows_of(1000) + b"x,y\n1\n")
    assert two.run(500) == two.run(500)


def test_frames_and_their_origins_hold_what_they_need_after_the_file_is_closed(two):
    two.write("d/a.csv", rows_of(1000))
    (partition,) = two.partitions()
    frames = list(source.records(two.stream(), partition, two.settings(), 500))
    assert len(frames) > 5
    assert frames[3].origin(0).raw.startswith(b"%d," % frames[3].table["a"][0].as_py())
