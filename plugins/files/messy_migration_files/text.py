"""Bytes of a declared encoding to UTF-8, without losing a byte that does not belong there.

What cannot be decoded becomes bytes that are no UTF-8 either, in exactly the record it stands in:
that record is rejected later, with its bytes as they were.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from messy_migration.errors import SourceError

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8"),
)
_LONGEST_MARK = 4
_ESCAPES = "messy_migration_files.escape"
# Half surrogates stand for bytes; surrogateescape does the same, but only from 0x80 on.
_FIRST = 0xDC00
_ESCAPED = re.compile("([\udc00-\udcff]+)")


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(chr(_FIRST + byte) for byte in wrong), error.end


codecs.register_error(_ESCAPES, _escape)


def as_utf8(read: Callable[[int], bytes], encoding: str, shown: str) -> Callable[[int], bytes]:
    """A reader of the same text in UTF-8, without byte order mark.

    Args:
        read: gives at most that many bytes, none only at the end.
        encoding: as declared.
        shown: the file in messages.

    Raises:
        SourceError: the file starts with the mark of another encoding.
    """
    head = b""
    while len(head) < _LONGEST_MARK and (piece := read(_LONGEST_MARK - len(head))):
        head += piece
    family = _family(encoding)
    for mark, marked in _MARKS:
        if head.startswith(mark):
            if not family.startswith(marked):
                raise SourceError(
                    f"the file is {marked}, not {encoding}",
                    shown,
                    f"it starts with the byte order mark of {marked}",
                    f'declare encoding = "{marked}" in the schema',
                )
            break
    if (
        head
        and family in {"utf-16", "utf-32"}
        and not any(head.startswith(mark) for mark, _ in _MARKS)
    ):
        raise SourceError(
            f"the file has no byte order mark, so {encoding} does not say how to read it",
            shown,
            next=f'declare encoding = "{family}-le" or "{family}-be" in the schema',
        )
    if family == "utf-8":
        return _with_head(head.removeprefix(codecs.BOM_UTF8), read)
    return _transcoded(_with_head(head, read), encoding)


def restored(record: bytes, encoding: str) -> bytes:
    """The bytes that a record had before `as_utf8`."""
    if _family(encoding) == "utf-8":
        return record
    mark = "".encode(encoding)
    restored = mark
    for part in _ESCAPED.split(record.decode("utf-8", "surrogatepass")):
        if _ESCAPED.fullmatch(part):
            restored += bytes(ord(character) - _FIRST for character in part)
        else:
            restored += part.encode(encoding).removeprefix(mark)
    return restored


def offset_before(record: bytes, end: int, encoding: str) -> int:
    """Where position `end` of a record in UTF-8 is in the record as it was, in bytes."""
    return len(restored(record[:end], encoding)) - len("".encode(encoding))


def _family(encoding: str) -> str:
    """`utf-8`, `utf-16`, `utf-16-le` and so on, whatever the spelling."""
    return codecs.lookup(encoding).name.removesuffix("-sig")


def _with_head(head: bytes, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    waiting = [head] if head else []

    def again(size: int) -> bytes:
        return waiting.pop() if waiting else read(size)

    return again


def _transcoded(read: Callable[[int], bytes], encoding: str) -> Callable[[int], bytes]:
    decoder = codecs.getincrementaldecoder(encoding)(_ESCAPES)
    at_start = True

    def more(size: int) -> bytes:
        nonlocal at_start
        while True:
            piece = read(size)
            text = decoder.decode(piece, final=not piece)
            if at_start and text:
                text, at_start = text.removeprefix("\ufeff"), False
            if text or not piece:
                return text.encode("utf-8", "surrogatepass")

    return more
