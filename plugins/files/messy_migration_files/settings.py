"""The section `[files]` of a profile: which files make which stream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, model_validator
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings, SettingsConfigDict

# What a schema file says counts by its content, which is in the digest of every partition.
_NO_ROWS: JsonDict = {"rows": False}

Entry = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]


class FileStream(BaseModel):
    """One stream: the files that hold its records, and the schema file that explains them.

    Attributes:
        path: a file or a glob, `**` included; `archive.zip!pattern` picks members of archives.
        schema_: the schema file, written `schema`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    path: str = Field(min_length=1, json_schema_extra=_NO_ROWS)
    schema_: str = Field(alias="schema", min_length=1, json_schema_extra=_NO_ROWS)
    _directory: Path = PrivateAttr(default_factory=Path.cwd)

    @model_validator(mode="after")
    def _remember_directory(self, info: ValidationInfo) -> FileStream:
        if info.context and "directory" in info.context:
            self._directory = Path(info.context["directory"]).absolute()
        return self

    @property
    def directory(self) -> Path:
        """The folder that relative paths start from: that of the configuration file."""
        return self._directory

    @property
    def pattern(self) -> str:
        """The absolute path or glob of the files."""
        return str(self._directory / Path(self.path).expanduser())

    @property
    def schema_file(self) -> Path:
        """The absolute path of the schema file."""
        return self._directory / Path(self.schema_).expanduser()


class FilesSettings(BaseSettings):
    """The streams by name, from whatever sources the core has merged."""

    model_config = SettingsConfigDict(extra="forbid")

    streams: dict[Entry, FileStream] = Field(default_factory=dict)

    # The initialiser of BaseSettings reads the environment and drops the validation context;
    # the core has merged all sources already and passes the directory in that context.
    if not TYPE_CHECKING:
        __init__ = BaseModel.__init__
