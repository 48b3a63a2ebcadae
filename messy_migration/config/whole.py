"""A file is written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 through a temporary one beside it, on disk when this returns.

    Raises:
        OSError: it could not be written; what was there before still is.
    """
    with appearing(path) as file:
        file.write(content)


@contextmanager
def appearing(path: Path) -> Iterator[BufferedWriter]:
    """A file of mode 0600 that has its name, and is on disk, when the block has ended.

    A block that raises leaves no file behind, and what was there before as it was.

    Raises:
        OSError: it could not be written; the same holds.
    """
    with _hidden(path) as (file, temporary):
        yield file
    try:
        _appear(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def written_beside(path: Path, content: bytes) -> Path:
    """Write a hidden file of mode 0600 beside a path, on disk when this returns.

    Raises:
        OSError: it could not be written, and nothing is left of it.
    """
    with _hidden(path) as (file, temporary):
        file.write(content)
    return temporary


@contextmanager
def _hidden(path: Path) -> Iterator[tuple[BufferedWriter, Path]]:
    """A hidden file beside a path, on disk when the block has ended, and gone if it raises."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file, Path(name)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _appear(temporary: Path, path: Path) -> None:
    temporary.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
