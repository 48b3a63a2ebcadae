"""Looks into zip archives that may be hostile: names, sizes and flags, before unpacking any."""

from __future__ import annotations

import fnmatch
import stat
import struct
import zipfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from messy_migration.errors import SourceError

ENTRY_LIMIT = 10_000
"""More entries than any delivery of CSV files has."""
RATIO_LIMIT = 200
"""A member that grows by more than this is taken for a bomb."""
RATIO_FLOOR = 1 << 20
"""Bytes that a member may always grow to, whatever its ratio."""

_ENDINGS = (".csv", ".tsv", ".tab", ".psv")
_PACKED = {zipfile.ZIP_STORED: "plain", zipfile.ZIP_DEFLATED: "deflate"}
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a zip archive, and where its stored bytes are in the archive."""

    name: str
    packed: str
    start: int
    length: int
    size: int
    crc: int


def is_zip(file: BinaryIO) -> bool:
    """Whether the first bytes are those of a zip archive, possibly an empty one."""
    file.seek(0)
    return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def members(file: BinaryIO, shown: str, pattern: str | None) -> list[Member]:
    """The CSV members of an archive by name.

    Args:
        file: the archive.
        shown: its name in messages.
        pattern: the pattern of their names; None for all that end in .csv, .tsv, .tab or .psv.

    Raises:
        SourceError: it is damaged, hostile, or holds no such member.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, struct.error, NotImplementedError) as error:
        raise SourceError(
            "the zip archive is damaged", shown, str(error), "fetch the file again"
        ) from error
    if len(entries) > ENTRY_LIMIT:
        raise _refused(shown, f"it has more than {ENTRY_LIMIT} entries")
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise _refused(shown, "it holds two entries of one name")
    for entry in entries:
        _check_name(entry, shown)
    chosen = [entry for entry in entries if not entry.is_dir() and _is_wanted(entry, pattern)]
    if not chosen:
        raise SourceError(
            "the zip archive holds no such file",
            shown,
            f"it should hold {pattern or ' or '.join('*' + ending for ending in _ENDINGS)}",
            "write path = 'archive.zip!pattern'",
        )
    chosen.sort(key=lambda entry: entry.filename)
    return [_member(file, entry, shown) for entry in chosen]


def find_member(listed: list[Member], name: str | None, shown: str) -> Member:
    """The member of that name; SourceError if there is none any more."""
    for member in listed:
        if member.name == name:
            return member
    raise SourceError("the archive changed since it was planned", shown, next="run again")


def _is_wanted(entry: zipfile.ZipInfo, pattern: str | None) -> bool:
    if pattern is not None:
        return fnmatch.fnmatchcase(entry.filename, pattern)
    parts = PurePosixPath(entry.filename).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and entry.filename.lower().endswith(_ENDINGS)


def _check_name(entry: zipfile.ZipInfo, shown: str) -> None:
    name = entry.filename
    windows = "\\" in name or name[1:2] == ":"
    if windows or name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise _refused(shown, "an entry has an absolute name or one with '..'")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise _refused(shown, "an entry is a symbolic link")


def _member(file: BinaryIO, entry: zipfile.ZipInfo, shown: str) -> Member:
    label = f"{shown}!{entry.filename}"
    if entry.flag_bits & _ENCRYPTED:
        raise _refused(label, "it is encrypted")
    if entry.compress_type not in _PACKED:
        raise _refused(label, "it is neither stored nor deflated")
    large = entry.file_size > RATIO_FLOOR
    if large and entry.file_size > RATIO_LIMIT * max(entry.compress_size, 1):
        raise _refused(label, f"it grows to more than {RATIO_LIMIT} times its size")
    file.seek(entry.header_offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
        raise SourceError("the zip archive is damaged", label, "a member has no header")
    _, name_size, extra_size = _LOCAL_HEADER.unpack(header)
    return Member(
        name=entry.filename,
        packed=_PACKED[entry.compress_type],
        start=entry.header_offset + _LOCAL_HEADER.size + name_size + extra_size,
        length=entry.compress_size,
        size=entry.file_size,
        crc=entry.CRC,
    )


def _refused(shown: str, why: str) -> SourceError:
    return SourceError(
        "the zip archive is refused", shown, why, "unpack it yourself if you trust it"
    )
