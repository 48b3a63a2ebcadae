"""The evidence of a run or a reconciliation: one JSON file, written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from messy_migration.errors import TargetError


def write(folder: Path, name: str, evidence: Mapping[str, Any]) -> Path:
    """Write the evidence through a temporary file beside it.

    Raises:
        TargetError: the folder cannot be written.
    """
    path = folder / name
    text = json.dumps(evidence, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f".{name}.*"):  # by an attempt that was killed
            left.unlink(missing_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise TargetError(
            "the evidence file cannot be written",
            str(path),
            error.strerror or type(error).__name__,
            "set `report` in the profile to a folder that can be written",
        ) from error
    return path
