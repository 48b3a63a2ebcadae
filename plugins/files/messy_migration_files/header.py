"""What the first record of a CSV file says, and whether it fits the schema."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable
from dataclasses import dataclass

from messy_migration.errors import SourceError, SourceSchemaDrift
from messy_migration_files.records import Block, Dialect, blocks
from messy_migration_files.schema import Format, Schema
from messy_migration_files.text import as_utf8, restored


@dataclass(frozen=True, slots=True)
class Layout:
    """What all blocks of a file share.

    Attributes:
        places: the positions of the schema's columns.
        above: physical lines of the file that are left out behind its header.
    """

    shown: str
    schema: Schema
    width: int
    places: tuple[int, ...]
    above: int = 0

    def where(self, line: int) -> str:
        """The place of a record, for people."""
        return f"{self.shown}:{line + self.above}"

    def raw(self, record: bytes) -> bytes:
        """A record as it was before it became UTF-8."""
        return restored(record, self.schema.format.encoding)


def is_blank(read: Callable[[int], bytes], declared: Format, shown: str) -> bool:
    """Whether a file ends before its first record: no byte, only a mark, or only white space.

    In a file without a header white space may be a record, so there only no byte is blank.

    Args:
        read: gives at most that many bytes of the file, none only at the end.
        declared: how the file is written.
        shown: its name, for errors.

    Raises:
        SourceError: the file cannot be read so far, or is in another encoding.
    """
    text = as_utf8(read, declared.encoding, shown)
    while piece := text(1 << 16):
        if not declared.header or piece.strip():
            return False
    return True


def blank(shown: str) -> SourceError:
    """The refusal of files that end before their first record."""
    return SourceError(
        "the file is empty",
        shown,
        "it ends before its first record, as a failed export or a cut transfer does",
        "fetch it again; an export without records still has its header",
    )


def header_of(read: Callable[[int], bytes], declared: Format, shown: str) -> list[str]:
    """The names in the header of a file; none if it is empty or declared to have no header."""
    if declared.header:
        text = as_utf8(read, declared.encoding, shown)
        for block in blocks(text, dialect_of(declared), 1 << 16):
            return header(block, declared, shown)
    return []


def dialect_of(declared: Format) -> Dialect:
    """What the scanner needs to know of a format."""
    return Dialect(ord(declared.delimiter), ord(declared.quote) if declared.quote else None)


def header(block: Block, declared: Format, shown: str) -> list[str]:
    """The names in the first record of a file."""
    where = f"{shown}:1"
    first = block.record(0) if len(block.starts) else b""
    if block.broken and (not len(block.starts) or block.broken[0].start < block.starts[0]):
        raise SourceError("the header breaks the quoting rules", where, block.broken[0].reason)
    if b"\0" in first:
        raise SourceError(
            "the header holds NUL bytes",
            where,
            f"the file is not {declared.encoding}",
            'declare the encoding it has; NUL in every second byte is "utf-16-le" or "utf-16-be"',
        )
    try:
        line = first.decode("utf-8")
    except UnicodeDecodeError:
        raise SourceError(
            f"the header is not {declared.encoding}", where, next="declare the encoding it has"
        ) from None
    if not line:
        raise SourceError("the header is a blank line", where)
    try:
        rows = csv.reader(
            io.StringIO(line, newline=""),
            delimiter=declared.delimiter,
            quotechar=declared.quote or None,
            quoting=csv.QUOTE_MINIMAL if declared.quote else csv.QUOTE_NONE,
            strict=True,
        )
        return next(rows)
    except csv.Error as error:
        raise SourceError("the header cannot be read", where, str(error)) from error


def matched(names: list[str], schema: Schema, shown: str) -> Layout:
    """Find the schema's columns in a header.

    Raises:
        SourceError: a column is missing, or a name is there twice.
    """
    sources = list(dict.fromkeys(column.source for column in schema.columns))
    missing = [name for name in sources if name not in names]
    if missing:
        raise _missing(missing, sources, names, shown)
    # Names that are empty belong to no column, unless the schema asks for one.
    doubled = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    doubled = [name for name in doubled if name or name in sources]
    if doubled:
        raise SourceError(
            "the header holds a name twice",
            f"{shown}:1",
            ", ".join(map(repr, doubled)),
            "rename one of the columns in the file",
        )
    indices = tuple(names.index(column.source) for column in schema.columns)
    return Layout(shown, schema, len(names), indices)


def _missing(missing: list[str], sources: list[str], names: list[str], shown: str) -> SourceError:
    near = [name for name in names if name.casefold() == missing[0].casefold()]
    near = near or difflib.get_close_matches(missing[0], names, n=1)
    why = f"missing {', '.join(map(repr, missing))}"
    advice = "check `from` in the schema"
    if near or len(missing) < len(sources):
        why += f"; present {', '.join(map(repr, names))}"
    else:
        # A line without any known name may be a record, and records are nobody's business.
        advice = "if the file has no header, declare header = false"
    if near:
        advice = f"did you mean from = {near[0]!r}?"
    return SourceSchemaDrift("the file lacks columns of the schema", f"{shown}:1", why, advice)


def positioned(width: int, schema: Schema, shown: str) -> Layout:
    """Find the schema's columns by position; SourceError if the file has too few fields."""
    indices = tuple(int(column.source) - 1 for column in schema.columns)
    if max(indices) >= width:
        raise SourceSchemaDrift(
            "the file lacks columns of the schema",
            f"{shown}:1",
            f"it has {width} fields, the schema asks for field {max(indices) + 1}",
            "check `from` in the schema",
        )
    return Layout(shown, schema, width, indices)
