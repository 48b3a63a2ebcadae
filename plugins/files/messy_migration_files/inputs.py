"""Finds the files of a stream and opens them: plain, gzip, or a member of a zip archive.

What a file is, its first bytes say and not its name. A file is identified by the digest of its
stored bytes, and whoever reads it learns when these are no longer the ones that were planned.
"""

from __future__ import annotations

import glob
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from messy_migration.errors import SourceError, SourceMissing
from messy_migration_files.archive import (
    RATIO_FLOOR,
    RATIO_LIMIT,
    Member,
    find_member,
    is_zip,
    members,
)
from messy_migration_files.schema import Format
from messy_migration_files.spans import Span, survey_spans

_GZIP = b"\x1f\x8b"
_PIECE = 1 << 20


class CutOff(SourceError):
    """A compressed file ends before its end."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file or an archive member as `partitions` found it; plain values for its bounds.

    Attributes:
        path: relative to the directory of the configuration.
        member: the name inside a zip archive, or None.
        digest: SHA-256 of the stored bytes, compressed as they are.
        size, mtime_ns: of the file.
        span: the part of a large file that is meant, or None for all of it.
    """

    path: str
    member: str | None
    digest: str
    size: int
    mtime_ns: int
    span: Span | None = None

    @property
    def shown(self) -> str:
        """What people call it; a line feed in a name may not forge a line of a log."""
        name = self.path if self.member is None else f"{self.path}!{self.member}"
        return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in name)


@dataclass(slots=True)
class Stored:
    """The stored bytes of an input while they are read, and whether they are still the same."""

    file: BinaryIO
    about: Input
    start: int
    left: int
    stamp: tuple[int, int]
    seen: hashlib._Hash

    def pieces(self) -> Iterator[bytes]:
        """The bytes from here on, behind those of the header where they are a span."""
        if self.about.span is not None and self.about.span.head:
            head = _head(self.file, 0, self.about.span.head)
            self.seen.update(head)
            yield head
        self.file.seek(self.start)
        while self.left:
            piece = self.file.read(min(_PIECE, self.left))
            if not piece:
                raise _changed(self.about)
            self.left -= len(piece)
            self.seen.update(piece)
            yield piece

    def check_unchanged(self) -> None:
        """Raise SourceError if the size or the time of the file is another than at the start."""
        if _stamp(self.file) != self.stamp:
            raise _changed(self.about)

    def check_digest(self) -> None:
        """Raise SourceError if the bytes that were read are not those that were planned."""
        self.check_unchanged()
        span = self.about.span
        if self.left == 0 and self.seen.hexdigest() == (span or self.about).digest:
            return
        raise _changed(self.about)


class Pieces:
    """A byte stream from pieces of any size.

    If the pieces end in an error, all bytes before it are given out before it is raised.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self._error: SourceError | None = None

    def read(self, size: int) -> bytes:
        """At most that many bytes; none only at the end."""
        pieces = [self._rest]
        have = len(self._rest)
        while have < size and self._error is None:
            try:
                piece = next(self._pieces, None)
            except SourceError as error:
                self._error = error
                break
            if piece is None:
                break
            pieces.append(piece)
            have += len(piece)
        if not have and self._error is not None:
            raise self._error
        data = b"".join(pieces)
        self._rest = data[size:]
        return data[:size]


def find_files(pattern: str, written: str) -> list[tuple[Path, str | None]]:
    """The files that a path, a glob or `archive!pattern` means, in order.

    Args:
        pattern: absolute.
        written: as in the configuration, for messages.

    Returns:
        Each file, with the pattern of its members if there is one.

    Raises:
        SourceError: nothing matches, or what matches is no file or has no usable name.
    """
    inside: str | None = None
    if Path(pattern).exists():
        names = [pattern]
    else:
        if "!" in pattern:
            pattern, _, inside = pattern.partition("!")
        names = [pattern] if Path(pattern).exists() else glob.glob(pattern, recursive=True)  # noqa: PTH207
    literal = names == [pattern]
    paths = [Path(name) for name in sorted(names) if literal or not Path(name).is_dir()]
    if not paths:
        raise SourceMissing(
            "no file matches", written, "a stream without files is a mistake", "check `path`"
        )
    for path in paths:
        _check_file(path)
    return [(path, inside) for path in paths]


def survey(
    path: Path, directory: Path, inside: str | None, declared: Format
) -> list[tuple[Input, tuple[Span, ...]]]:
    """The inputs in a file: itself with the spans in which it may be read, or its CSV members.

    An archive that cannot be used is one input, and raises when it is opened: the other files
    of the stream can be loaded meanwhile.
    """
    shown = os.path.relpath(path, directory)
    with _opened(path, shown) as file:
        size, mtime_ns = _stamp(file)
        if not is_zip(file):
            is_plain = _head(file, 0, len(_GZIP)) != _GZIP
            file.seek(0)
            digest, spans = survey_spans(file, size, declared if is_plain else None)
            return [(Input(shown, None, digest, size, mtime_ns), spans)]
        parts: list[tuple[str | None, int, int]]
        try:
            parts = [(m.name, m.start, m.length) for m in members(file, shown, inside)]
        except SourceError:
            parts = [(None, 0, size)]
        return [
            (Input(shown, name, _digest(file, start, length), size, mtime_ns), ())
            for name, start, length in parts
        ]


@contextmanager
def opened(about: Input, directory: Path, inside: str | None) -> Iterator[tuple[Stored, Pieces]]:
    """Open an input again.

    Gives its stored bytes, for the checks, and its content as a stream.

    Raises:
        SourceError: it cannot be read, is no longer what was planned, or is a hostile archive.
    """
    with _opened(directory / about.path, about.shown) as file:
        stamp = _stamp(file)
        member: Member | None = None
        start, length, packed = 0, stamp[0], "plain"
        if is_zip(file):
            member = find_member(members(file, about.path, inside), about.member, about.shown)
            start, length, packed = member.start, member.length, member.packed
        elif about.member is not None:
            raise _changed(about)
        elif _head(file, 0, len(_GZIP)) == _GZIP:
            packed = "gzip"
        # A copy with another time but the same bytes is the same input.
        size_and_time = (about.size, about.mtime_ns)
        if stamp != size_and_time and _digest(file, start, length) != about.digest:
            raise _changed(about)
        if about.span is not None:
            start, length = about.span.start, about.span.stop - about.span.start
        stored = Stored(file, about, start, length, stamp, hashlib.sha256())
        yield stored, Pieces(_content(stored, packed, member))


def _content(stored: Stored, packed: str, member: Member | None) -> Iterator[bytes]:
    shown = stored.about.shown
    if packed == "plain" and member is None:
        yield from stored.pieces()
        return
    if packed == "plain":
        unpacked = stored.pieces()
    else:
        unpacked = _inflated(stored, zlib.MAX_WBITS | 16 if packed == "gzip" else -zlib.MAX_WBITS)
    total, check, started = 0, 0, False
    for piece in unpacked:
        if not started and piece.startswith((_GZIP, b"PK\x03\x04")):
            raise SourceError(
                "an archive inside an archive is not read", shown, next="unpack it once"
            )
        started = True
        total += len(piece)
        check = zlib.crc32(piece, check)
        read = max(stored.file.tell() - stored.start, 1)
        if total > RATIO_FLOOR and total > RATIO_LIMIT * read:
            raise _bomb(shown)
        if member is not None and total > member.size:
            raise SourceError("the zip member is longer than its archive says", shown)
        yield piece
    if member is not None and (total != member.size or check != member.crc):
        raise _corrupt(shown, "size or checksum of the zip member is wrong")


def _inflated(stored: Stored, wbits: int) -> Iterator[bytes]:
    """Everything that can be unpacked, and then an error if there should have been more."""
    shown = stored.about.shown
    engine = zlib.decompressobj(wbits)
    begun = False
    for piece in stored.pieces():
        rest = piece
        while rest:
            if engine.eof:
                # Members of a gzip file may follow each other; zeros are padding of tapes.
                rest = rest.lstrip(b"\0") if wbits > 0 else b""
                if not rest:
                    break
                engine = zlib.decompressobj(wbits)
            begun = True
            try:
                out = engine.decompress(rest, _PIECE)
            except zlib.error as error:
                raise _corrupt(shown, str(error)) from None
            if out:
                yield out
            rest = engine.unused_data if engine.eof else engine.unconsumed_tail
        # What the engine still holds comes out without new input.
        while not engine.eof and (out := engine.decompress(b"", _PIECE)):
            yield out
    if begun and not engine.eof:
        raise CutOff(
            "the compressed file is cut off", shown, "its end is missing", "fetch the file again"
        )


def _check_file(path: Path) -> None:
    name = str(path)
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise SourceError(
            "the name of a file is not UTF-8", ascii(path.name), next="rename it"
        ) from None
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise SourceError("a file cannot be read", ascii(name), error.strerror or "") from error
    if stat.S_ISDIR(mode):
        raise SourceError("the path is a folder", name, next=f"write {path.name}/*.csv")
    if not stat.S_ISREG(mode):
        raise SourceError("the path is no regular file", name, "a pipe cannot be read twice")


@contextmanager
def _opened(path: Path, shown: str) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise SourceError("the file cannot be read", shown, error.strerror or "") from error
    with file:
        yield file


def _stamp(file: BinaryIO) -> tuple[int, int]:
    facts = os.fstat(file.fileno())
    return facts.st_size, facts.st_mtime_ns


def _head(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def _digest(file: BinaryIO, start: int, length: int) -> str:
    digest = hashlib.sha256()
    file.seek(start)
    remaining = length
    while remaining and (piece := file.read(min(_PIECE, remaining))):
        digest.update(piece)
        remaining -= len(piece)
    return digest.hexdigest()


def _changed(about: Input) -> SourceError:
    return SourceError(
        "the file changed while it was read",
        about.shown,
        "its size, time or content is not what was planned",
        "wait until it is written, then run again",
    )


def _corrupt(shown: str, why: str) -> SourceError:
    return SourceError("the compressed file is damaged", shown, why, "fetch the file again")


def _bomb(shown: str) -> SourceError:
    return SourceError(
        "the compressed file is refused",
        shown,
        f"it grows to more than {RATIO_LIMIT} times its size",
        "unpack it yourself if you trust it",
    )
