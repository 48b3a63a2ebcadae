"""A plugin written for one test, installed in a folder, and `migrate` as a process with it."""

from __future__ import annotations

import os
import textwrap
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from messy_migration.testing.project import Project
from messy_migration.testing.result import Result

HEAD = "from messy_migration.hookspecs import hookimpl\n"
STREAM = """
import pyarrow as pa
from messy_migration.model import Column, ColumnType, Frame, Partition, Stream, Table
COLUMNS = (Column("id", ColumnType("int64"), required=True), Column("name", ColumnType("text")))
TABLE = Table("s", COLUMNS, key=("id",))

@hookimpl
def streams():
    return [Stream(f"{__name__}.s", (TABLE,))]

@hookimpl
def extract():
    yield Frame(pa.table({"id": [1, 2], "name": ["a", "b"]}))
"""
"""Two rows of one stream; the module is named like the plugin."""


@dataclass
class Authored:
    """A working folder without a profile, and a folder of plugins beside it."""

    folder: Path
    site: Path

    @classmethod
    def make(cls, root: Path) -> Authored:
        made = cls(root / "work", root / "site")
        made.folder.mkdir()
        made.site.mkdir()
        return made

    def install(self, name: str, source: str) -> None:
        """Install a plugin of that name, again if it is there."""
        (self.site / f"{name}.py").write_text(HEAD + textwrap.dedent(source))
        info = self.site / f"mm_test_{name}-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mm-test-{name}\nVersion: 1.0")
        (info / "entry_points.txt").write_text(f"[messy_migration]\n{name} = {name}\n")

    def migrate(self, *argv: str, umask: int = -1, **variables: str) -> Result:
        """Run the command line in the working folder."""
        first = None if umask == -1 else partial(os.umask, umask)
        path = str(self.site)
        return Project(self.folder).migrate_apart(
            *argv, preexec_fn=first, **{"PYTHONPATH": path, **variables}
        )
