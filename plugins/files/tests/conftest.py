"""A folder with one stream of files, and everything that comes out of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import messy_migration_files
from messy_migration.errors import MigrationError
from messy_migration.model import Filtered, Frame, Origin, Partition, Rejected, Stream
from messy_migration_files import source

FORMAT = {"kind": "csv", "encoding": "utf-8", "delimiter": ",", "null": [""]}


@dataclass
class Outcome:
    """What `extract` gave for all partitions, and the error that ended it."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    filtered: Counter[str] = field(default_factory=Counter)
    error: MigrationError | None = None

    @property
    def records(self) -> int:
        return len(self.rows) + len(self.rejected) + self.filtered.total()

    @property
    def rules(self) -> list[str]:
        return [rejected.rule for rejected in self.rejected]


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return '"' + str(value).translate({34: '\\"', 92: "\\\\", 9: "\\t", 10: "\\n", 13: "\\r"}) + '"'


class Folder:
    """A configuration directory with one entry `s`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pattern = "*.csv"

    def write(self, name: str, data: bytes | str) -> Path:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)
        return target

    def schema(self, columns: dict[str, Any], top: str = "", **options: Any) -> Path:
        """Write the schema file; a column is a type, or a table of options."""
        lines = ['table = "t"', "key = []", top, "[format]"]
        lines += [f"{name} = {toml(value)}" for name, value in (FORMAT | options).items()]
        lines.append("[columns]")
        for name, entry in columns.items():
            lines.append(f"{name} = {toml({'type': entry} if isinstance(entry, str) else entry)}")
        return self.write("s.toml", "\n".join(lines))

    def settings(self) -> Any:
        return messy_migration_files.settings_model().model_validate(
            {"streams": {"s": {"path": self.pattern, "schema": "s.toml"}}},
            context={"directory": self.path},
        )

    def stream(self) -> Stream:
        (stream,) = messy_migration_files.streams(self.settings())
        return stream

    def partitions(self) -> list[Partition]:
        return list(messy_migration_files.partitions(self.stream(), self.settings()))

    def unmapped(self) -> tuple[str, ...]:
        return messy_migration_files.unmapped(self.stream(), self.settings())

    def run(self, block_size: int = 4 << 20) -> Outcome:
        """Extract all partitions; an error ends its partition and is kept."""
        outcome = Outcome()
        settings = self.settings()
        for partition in self.partitions():
            try:
                for got in source.records(self.stream(), partition, settings, block_size):
                    if isinstance(got, Frame):
                        assert got.table.schema.names == list(self.stream().tables[0].names)
                        outcome.rows += got.table.to_pylist()
                        assert got.origin is not None
                        outcome.origins += [got.origin(i) for i in range(got.table.num_rows)]
                    elif isinstance(got, Rejected):
                        outcome.rejected.append(got)
                    else:
                        assert isinstance(got, Filtered)
                        outcome.filtered[got.rule] += got.records
            except MigrationError as error:
                outcome.error = error
        return outcome

    def read(self, data: bytes | str, columns: dict[str, Any], **options: Any) -> Outcome:
        """Extract one file under one schema."""
        self.schema(columns, **options)
        self.write("a.csv", data)
        return self.run()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Folder]:
    """Folders for tests that need many, as those with examples made up by hypothesis."""
    return lambda: Folder(tmp_path_factory.mktemp("folder"))
