"""Settings and schema files: what they offer, and one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

import messy_migration_files
from messy_migration.errors import ConfigurationError
from messy_migration.model import Stream
from messy_migration_files.settings import FilesSettings

TWO = {"a": "int32", "b": "text"}
ENTRY = {"s": {"path": "*.csv", "schema": "s.toml"}}


def problem(folder, text: str | None = None) -> ConfigurationError:
    if text is not None:
        folder.write("s.toml", text)
    with pytest.raises(ConfigurationError) as error:
        folder.stream()
    assert "\n" not in str(error.value)
    return error.value


def test_streams(folder):
    folder.schema(
        {"id": {"type": "int64", "required": True}, "at": {"type": "timestamp"}},
        top='bookmark = "at"\ndepends_on = ["orders", "vivenu.events"]',
    )
    stream = folder.stream()
    assert isinstance(stream, Stream)
    assert stream.name == "files.s"
    assert stream.bookmark == "at"
    assert stream.depends_on == ("files.orders", "vivenu.events")
    (table,) = stream.tables
    assert (table.name, table.key) == ("t", ())
    assert [(c.name, str(c.type), c.required) for c in table.columns] == [
        ("id", "int64", True),
        ("at", "timestamp", False),
    ]


def test_paths_start_at_the_directory_of_the_configuration(tmp_path: Path):
    settings = FilesSettings.model_validate({"streams": ENTRY}, context={"directory": tmp_path})
    assert settings.streams["s"].pattern == str(tmp_path / "*.csv")
    assert settings.streams["s"].schema_file == tmp_path / "s.toml"
    assert FilesSettings(streams=ENTRY).streams["s"].pattern == str(Path.cwd() / "*.csv")


def test_settings_read_no_environment_of_their_own(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("STREAMS", '{"x": {"path": "p", "schema": "s"}}')
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("STREAMS={}\n")
    assert FilesSettings().streams == {}
    assert FilesSettings.model_validate({}).streams == {}


@pytest.mark.parametrize(
    "section, where",
    [
        ({"stream": {}}, ("stream",)),
        ({"streams": {"s": {"path": "p", "schema": "s", "shema": "s"}}}, ("streams", "s", "shema")),
        ({"streams": {"s": {"path": "p"}}}, ("streams", "s", "schema")),
        ({"streams": {"S s": {"path": "p", "schema": "s"}}}, ("streams", "S s", "[key]")),
    ],
)
def test_settings_that_are_refused(section, where):
    with pytest.raises(ValidationError) as error:
        messy_migration_files.settings_model().model_validate(section)
    assert error.value.errors()[0]["loc"] == where


def test_missing_schema_file(folder):
    error = problem(folder)
    assert (error.where, error.exit_code) == ("s.toml", 3)


def test_toml_error_names_the_line(folder):
    assert problem(folder, 'table = "t"\nkey = [\nx').where.startswith("s.toml:3")


@pytest.mark.parametrize(
    "top, options, column, where, advice",
    [
        ("tabel = 'x'", {}, {}, "s.toml", "did you mean 'table'?"),
        ("", {"delimeter": ";"}, {}, "s.toml: format", "did you mean 'delimiter'?"),
        ("", {}, {"time_zone": "UTC"}, "s.toml: columns.a", "did you mean 'timezone'?"),
    ],
)
def test_unknown_key_with_a_suggestion(folder, top, options, column, where, advice):
    folder.schema({"a": {"type": "text", **column}}, top=top, **options)
    error = problem(folder)
    assert error.what.startswith("unknown key")
    assert (error.where, error.next) == (where, advice)


@pytest.mark.parametrize(
    "key", ["table", "key", "[format]", "kind", "encoding", "delimiter", "null"]
)
def test_what_is_not_declared_is_not_guessed(folder, key):
    lines = folder.schema(TWO).read_text().splitlines()
    if key == "[format]":
        lines = [*lines[:2], *lines[lines.index("[columns]") :]]
    else:
        lines = [line for line in lines if not line.startswith(f"{key} =")]
    assert problem(folder, "\n".join(lines)).what == f"the key {key.strip('[]')!r} is missing"


@pytest.mark.parametrize(
    "column, words",
    [
        ({"type": "integer"}, "unknown column type"),
        ({"type": "decimal(40,2)"}, "out of range"),
        ({"type": "text", "format": "%Y"}, "has no meaning for the type text"),
        ({"type": "date", "timezone": "UTC"}, "has no meaning for the type date"),
        ({"type": "text", "encoding": "hex"}, "has no meaning"),
        ({"type": "bytes"}, "bytes need an encoding"),
        ({"type": "bytes", "encoding": "rot13"}, "not usable"),
        ({"type": "bool", "true": ["1"], "false": ["0", "1"]}, "both true and false"),
        ({"type": "timestamp", "format": "%Y-%m-%d %H:%M"}, "a local time is no instant"),
        ({"type": "timestamp", "format": "%Y-%m-%d %z", "timezone": "UTC"}, "take one of them out"),
        ({"type": "timestamp", "timezone": "Europe/Londn"}, "unknown time zone"),
        ({"type": "timestamp", "timezone": "../../etc/passwd"}, "unknown time zone"),
        ({"type": "timestamp", "ambiguous": "earliest"}, "needs a timezone"),
        ({"type": "date", "format": "%Y-%m-%d %H"}, "time of day would be lost"),
        ({"type": "date", "format": "%d.%m."}, "no whole date"),
        ({"type": "date", "format": "%Y-%m-%d %Q"}, "%Q is not supported"),
        ({"type": "date", "format": "%Y-%m-%d%"}, "% is not supported"),
        ({"type": "date", "format": "%Y-%Y-%m-%d"}, "a directive twice"),
        ({"type": "timestamp", "format": "%Y-%m-%d %I:%M", "timezone": "UTC"}, "%I and %p"),
        ({"type": "text", "required": "yes"}, "not usable"),
    ],
)
def test_column_that_is_not_usable(folder, column, words):
    folder.schema({"a": column})
    error = problem(folder)
    assert words in str(error)
    assert error.where.startswith("s.toml: columns.a")


@pytest.mark.parametrize(
    "options, words",
    [
        ({"kind": "xml"}, "kind"),
        ({"delimiter": ""}, "delimiter"),
        ({"delimiter": ";;"}, "delimiter"),
        ({"delimiter": "\u00a7"}, "delimiter"),
        ({"delimiter": "\n"}, "delimiter"),
        ({"quote": ","}, "same character"),
        ({"encoding": "utf-9"}, "unknown encoding"),
        ({"encoding": "rot13"}, "unknown encoding"),
        ({"encoding": "unicode_escape"}, "unknown encoding"),
        ({"header": False}, "positions"),
    ],
)
def test_format_that_is_not_usable(folder, options, words):
    folder.schema(TWO, **options)
    assert words in str(problem(folder))


def test_table_that_is_not_usable(folder):
    text = folder.schema(TWO).read_text()
    assert "no column" in str(problem(folder, text.replace("key = []", 'key = ["id"]')))
    assert "bookmark" in str(problem(folder, 'bookmark = "B"\n' + text))
    assert problem(folder, text.replace('"t"', '"Bad Name"')).where == "s.toml"


def test_stream_of_another_configuration(folder):
    folder.schema(TWO)
    stream = folder.stream()
    with pytest.raises(ConfigurationError, match="not configured"):
        messy_migration_files.partitions(stream, FilesSettings())
