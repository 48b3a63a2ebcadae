"""The schema file of a stream: its table, and how the text of every column is to be read.

Everything is declared and nothing is guessed, so whatever is missing, unknown or contradictory
is a ConfigurationError that names the file and the key.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from messy_migration.errors import ConfigurationError
from messy_migration.model import Column, ColumnType, Table
from messy_migration_files.moments import check_pattern
from messy_migration_files.zones import zone_of

_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)
_ASCII = 128
_OPTIONS = {
    "format": ("date", "timestamp"),
    "timezone": ("timestamp",),
    "ambiguous": ("timestamp",),
    "true": ("bool",),
    "false": ("bool",),
    "encoding": ("bytes",),
}
# Codecs of Python that are no encodings of files.
_NO_ENCODINGS = ("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined")


class Format(BaseModel):
    """How the files are written: the table `[format]`."""

    model_config = _STRICT

    kind: Literal["csv"]
    encoding: str
    delimiter: str
    null: list[str]
    quote: str = '"'
    quoted_null: bool = False
    header: bool = True


class ColumnEntry(BaseModel):
    """How one column is read: an entry of `[columns]`."""

    model_config = _STRICT

    source: str | None = Field(default=None, alias="from")
    type: str
    required: bool = False
    format: str | None = None
    timezone: str | None = None
    ambiguous: Literal["earliest", "latest"] | None = None
    true: list[str] | None = None
    false: list[str] | None = None
    encoding: Literal["hex", "base64"] | None = None
    loss: str = ""
    tolerance: str = ""


class SchemaFile(BaseModel):
    """A schema file as it is written."""

    model_config = _STRICT

    table: str
    key: list[str]
    format: Format
    columns: dict[str, ColumnEntry]
    bookmark: str | None = None
    depends_on: list[str] = []
    amounts: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column with everything that turning its text into values needs.

    Attributes:
        name: in the table.
        source: in the header of the file; its position from "1" where there is no header.
        type: in the table.
        pattern: strptime pattern of a date or timestamp, or None for ISO 8601.
        timezone: IANA name of the zone of local times, or None.
        ambiguous: which instant a local time stands for that a zone has twice or never.
        true, false: the words of a bool.
        encoding: hex or base64, of bytes.
        wide: the type it is read as, where a declared loss makes it `type` afterwards.
    """

    name: str
    source: str
    type: ColumnType
    pattern: str | None = None
    timezone: str | None = None
    ambiguous: Literal["earliest", "latest"] | None = None
    true: tuple[str, ...] = ("true",)
    false: tuple[str, ...] = ("false",)
    encoding: str = ""
    wide: ColumnType | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema file that has been checked; `digest` identifies what and how it reads."""

    table: Table
    format: Format
    columns: tuple[SourceColumn, ...]
    bookmark: str | None
    depends_on: tuple[str, ...]
    digest: str

    @property
    def strips_nul(self) -> bool:
        """Some column takes NULs out of its text; in others the core finds them."""
        return any(
            loss.kind == "strip_nul" for column in self.table.columns for loss in column.losses
        )


def load_schema(path: Path, shown: str) -> Schema:
    """Read and check a schema file.

    Args:
        path: the file.
        shown: its name in messages.

    Raises:
        ConfigurationError: the file is not there, no TOML, or declares something unusable.
    """
    written = _validated(_parsed(path, shown), shown)
    _check_format(written.format, shown)
    columns = tuple(
        _source_column(name, entry, shown, header=written.format.header)
        for name, entry in written.columns.items()
    )
    try:
        table = Table(
            name=written.table,
            columns=tuple(
                _column(name, written.columns[name], column.type, shown)
                for name, column in zip(written.columns, columns, strict=True)
            ),
            key=tuple(written.key),
            amounts=tuple(written.amounts.items()),
        )
        table.check_names()
    except ConfigurationError as error:
        raise ConfigurationError(error.what, error.where or shown, error.why, error.next) from None
    if written.bookmark is not None and written.bookmark not in table.names:
        raise ConfigurationError(
            f"the bookmark {written.bookmark!r} is no column",
            shown,
            f"the columns are {', '.join(table.names)}",
            _suggestion(written.bookmark, table.names),
        )
    depends_on = tuple(name if "." in name else f"files.{name}" for name in written.depends_on)
    return Schema(
        table, written.format, columns, written.bookmark, depends_on, _digest(written, columns)
    )


def _parsed(path: Path, shown: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise ConfigurationError(
            "the schema file cannot be read",
            shown,
            error.strerror or type(error).__name__,
            "check `schema` of the stream in migrate.toml",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("the schema file is not UTF-8", shown) from error
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        where = f"{shown}:{line[1]}" if line else shown
        raise ConfigurationError("the schema file is not TOML", where, str(error)) from error


def _validated(written: dict[str, Any], shown: str) -> SchemaFile:
    try:
        return SchemaFile.model_validate(written)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        *parents, last = (str(part) for part in first["loc"])
        where = f"{shown}: {'.'.join(parents)}" if parents else shown
        if first["type"] == "extra_forbidden":
            keys = _known(parents)
            raise ConfigurationError(
                f"unknown key {last!r}",
                where,
                f"the keys here are {', '.join(keys)}",
                _suggestion(last, keys),
            ) from None
        if first["type"] == "missing":
            raise ConfigurationError(
                f"the key {last!r} is missing", where, "nothing is guessed", f"declare {last!r}"
            ) from None
        raise ConfigurationError(f"the key {last!r} is not usable", where, first["msg"]) from None


def _known(parents: list[str]) -> list[str]:
    model: type[BaseModel] = SchemaFile
    if parents:
        model = Format if parents[0] == "format" else ColumnEntry
    return [field.alias or name for name, field in model.model_fields.items()]


def _suggestion(word: str, words: list[str] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def _check_format(declared: Format, shown: str) -> None:
    where = f"{shown}: format"
    for name, value, may_be_empty in (
        ("delimiter", declared.delimiter, False),
        ("quote", declared.quote, True),
    ):
        if may_be_empty and not value:
            continue
        if len(value) != 1 or ord(value) >= _ASCII or value in "\r\n\0":
            raise ConfigurationError(
                f"the {name} must be one ASCII character that ends no line", where
            )
    if declared.delimiter == declared.quote:
        raise ConfigurationError("delimiter and quote are the same character", where)
    try:
        "".encode(declared.encoding)
        is_known = declared.encoding.lower().replace("-", "_") not in _NO_ENCODINGS
    except (LookupError, UnicodeError, ValueError):
        is_known = False
    if not is_known:
        raise ConfigurationError(
            f"unknown encoding {declared.encoding!r}",
            where,
            next="write it as Python does: utf-8, utf-16, cp1252, latin-1, shift_jis",
        )


def _column(name: str, entry: ColumnEntry, kind: ColumnType, shown: str) -> Column:
    try:
        return Column(name, kind, entry.required, entry.loss, entry.tolerance)
    except ConfigurationError as error:
        where = f"{shown}: columns.{name}"
        raise ConfigurationError(error.what, where, error.why, error.next) from None


def _wide(kind: ColumnType, entry: ColumnEntry) -> ColumnType | None:
    """Room for the digits that `round` takes away."""
    if kind.kind != "decimal" or "round" not in entry.loss:
        return None
    return ColumnType("decimal", 38, 38 - (kind.precision - kind.scale))


def _source_column(name: str, entry: ColumnEntry, shown: str, *, header: bool) -> SourceColumn:
    where = f"{shown}: columns.{name}"
    try:
        kind = ColumnType.parse(entry.type)
    except ConfigurationError as error:
        raise ConfigurationError(error.what, where, error.why, error.next) from None
    for option, kinds in _OPTIONS.items():
        if getattr(entry, option) is not None and kind.kind not in kinds:
            raise ConfigurationError(
                f"{option!r} has no meaning for the type {kind}",
                where,
                f"it is for {' and '.join(kinds)}",
                f"take {option!r} out, or change the type",
            )
    source = name if entry.source is None else entry.source
    if not header and not (source.isascii() and source.isdigit() and int(source) > 0):
        raise ConfigurationError(
            "a file without header needs positions", where, next='write from = "1" and so on'
        )
    _check_moments(kind, entry, where)
    true = ("true",) if entry.true is None else tuple(entry.true)
    false = ("false",) if entry.false is None else tuple(entry.false)
    if kind.kind == "bool" and set(true) & set(false):
        raise ConfigurationError("a word is both true and false", where)
    if kind.kind == "bytes" and entry.encoding is None:
        raise ConfigurationError(
            "bytes need an encoding",
            where,
            "nothing is guessed",
            'add encoding = "hex" or "base64"',
        )
    return SourceColumn(
        name=name,
        source=source,
        type=kind,
        pattern=entry.format,
        timezone=entry.timezone,
        ambiguous=entry.ambiguous,
        true=true,
        false=false,
        encoding=entry.encoding or "",
        wide=_wide(kind, entry),
    )


def _check_moments(kind: ColumnType, entry: ColumnEntry, where: str) -> None:
    if kind.kind not in ("date", "timestamp"):
        return
    if entry.format is not None:
        problem = check_pattern(entry.format, kind.kind, zoned=entry.timezone is not None)
        if problem is not None:
            raise ConfigurationError(
                f"the format {entry.format!r} is not usable", where, problem[0], problem[1]
            )
    if entry.timezone is not None and zone_of(entry.timezone) is None:
        raise ConfigurationError(
            f"unknown time zone {entry.timezone!r}",
            where,
            next='write an IANA name such as "Europe/London" or "UTC"',
        )
    if entry.ambiguous is not None and entry.timezone is None:
        raise ConfigurationError("'ambiguous' needs a timezone", where)


def _digest(written: SchemaFile, columns: tuple[SourceColumn, ...]) -> str:
    """The table is part of it: the same file for another table is another input."""
    lossy = {name: entry.loss for name, entry in written.columns.items() if entry.loss}
    canonical = json.dumps(
        [
            *([lossy] if lossy else []),
            written.table,
            written.key,
            sorted(name for name, column in written.columns.items() if column.required),
            written.format.model_dump(mode="json"),
            [
                [
                    column.name,
                    column.source,
                    str(column.type),
                    column.pattern,
                    column.timezone,
                    column.ambiguous,
                    column.true,
                    column.false,
                    column.encoding,
                ]
                for column in columns
            ],
        ],
        sort_keys=True,
    )
    return hashlib.sha256(canonical.encode()).hexdigest()
