"""Files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from messy_migration.config.whole import write_whole
from messy_migration.errors import TargetError


def write(path: Path, text: str) -> None:
    """Write a text in UTF-8 through a temporary file beside it; makes the folder.

    Raises:
        TargetError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for leftover in path.parent.glob(f".{path.name}.*"):  # by an attempt that was killed
            leftover.unlink(missing_ok=True)
        write_whole(path, text.encode())
    except OSError as error:
        raise TargetError(
            "the evidence file cannot be written",
            str(path),
            error.strerror or type(error).__name__,
            "set `report` in the profile to a folder that can be written",
        ) from error
