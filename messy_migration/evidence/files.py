"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from messy_migration.config.whole import write_whole, written_beside
from messy_migration.errors import TargetError


def write(path: Path, text: str) -> None:
    """Write a text in UTF-8 through a temporary file beside it; makes the folder.

    Raises:
        TargetError: it cannot be written.
    """
    with _refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for leftover in path.parent.glob(f".{path.name}.*"):  # by an attempt that was killed
            leftover.unlink(missing_ok=True)
        write_whole(path, text.encode())


def stage(path: Path, text: str) -> Path:
    """Write a text into a hidden file beside where it is to appear; makes the folder.

    Raises:
        TargetError: it cannot be written.
    """
    with _refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return written_beside(path, text.encode())


def appear(staged: Path, wanted: Path) -> Path:
    """Give a staged file its name, or the next that no file and no page has; return it.

    No file is written over, whoever takes the name at the same moment.

    Raises:
        TargetError: it cannot be written.
    """
    with _refusals(wanted):
        for number in count(1):
            path = wanted if number == 1 else wanted.with_stem(f"{wanted.stem}-{number}")
            if not path.with_suffix(".html").exists() and _took(staged, path):
                return path
        raise AssertionError


def _took(staged: Path, path: Path) -> bool:
    try:
        path.hardlink_to(staged)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return False
        staged.replace(path)
        return True
    staged.unlink()
    return True


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetError(
            "the evidence file cannot be written",
            str(path),
            error.strerror or type(error).__name__,
            "set `report` in the profile to a folder that can be written",
        ) from error
