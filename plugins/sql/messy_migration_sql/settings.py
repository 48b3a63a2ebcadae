"""The section `[sql]` of a profile: databases, what is read of them, and what it is called here."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from messy_migration.errors import ConfigurationError, SourceError
from messy_migration.model import ColumnType

__all__ = ["Database", "Open", "SqlSettings", "TableEntry"]

_STRICT = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
_NO_ROWS: JsonDict = {"rows": False}
_KINDS = {"postgresql": "postgresql", "postgresql+psycopg": "postgresql", "sqlite": "sqlite"}
_SECRET_QUERY = frozenset({"password", "passwd", "pwd", "sslpassword"})
_LOOPBACK = frozenset({"", "localhost", "127.0.0.1", "::1"})
_URLS = "write postgresql://user@host:5432/database or sqlite:///file.db"


def _url(text: str) -> str:
    """A database URL; its problems are told without quoting it."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(f"it is no database URL; {_URLS}") from None
    if url.drivername not in _KINDS:
        raise ValueError(f"a database of this kind cannot be read; {_URLS}")
    if _SECRET_QUERY & {name.lower() for name in url.query}:
        raise ValueError("a password after the ? would be printed by libraries; use password")
    if not url.database or url.database == ":memory:":
        raise ValueError(f"it names no database; {_URLS}")
    if _KINDS[url.drivername] == "sqlite" and (url.host or url.username or url.password):
        raise ValueError("a file needs three slashes (sqlite:///name.db), four if absolute")
    return text


def _type(text: str) -> str:
    try:
        ColumnType.parse(text)
    except ConfigurationError as error:
        raise ValueError(f"{error.what}: {error.why}") from None
    return text


def _pattern(text: str) -> str:
    if "." not in text.strip("."):
        raise ValueError("a column is named table.column, as in customers.birth_date or *.password")
    return text


Url = Annotated[str, AfterValidator(_url)]
TypeName = Annotated[str, AfterValidator(_type)]
ColumnPattern = Annotated[str, AfterValidator(_pattern)]
Identifier = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$", max_length=63)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=63)]


_SHARED = (
    "include",
    "exclude",
    "leave_out",
    "prefix",
    "foreign_keys",
    "tables",
    "insecure_reason",
)
"""What a database has from the section, unless it says so itself."""


class TableEntry(BaseModel):
    """What is special about one table; its name is that of the source.

    Attributes:
        target: its name in the target.
        rename: column of the source -> name in the target.
        types: column of the source -> our type, where the database has none of ours, or one
            that says too little.
        key: columns of the source that are unique and never NULL, where the database has no
            such key.
        bookmark: column of the source that says when a row changed.
        overlap: seconds that a later run goes back behind the bookmark, for transactions that
            were still open when it was read.
    """

    model_config = _STRICT

    target: Identifier | None = None
    rename: dict[str, Identifier] = Field(default_factory=dict)
    types: dict[str, TypeName] = Field(default_factory=dict)
    key: list[str] = Field(default_factory=list)
    bookmark: str | None = None
    overlap: int = Field(3600, ge=0, json_schema_extra=_NO_ROWS)


class Database(BaseModel):
    """One database; what is not set here comes from the section."""

    model_config = _STRICT

    url: Url | None = Field(None, repr=False, json_schema_extra=_NO_ROWS)
    password: SecretStr | None = Field(None, min_length=1)
    schema_: str | None = Field(None, alias="schema", min_length=1)
    include: list[str] | None = Field(None, json_schema_extra=_NO_ROWS)
    exclude: list[str] | None = Field(None, json_schema_extra=_NO_ROWS)
    leave_out: list[ColumnPattern] | None = None
    prefix: Annotated[str, Field(pattern=r"^([a-z_][a-z0-9_]*)?$", max_length=40)] | None = None
    foreign_keys: bool | None = Field(None, json_schema_extra=_NO_ROWS)
    tables: dict[str, TableEntry] | None = None
    insecure_reason: str | None = Field(None, json_schema_extra=_NO_ROWS)


class Open(Protocol):
    """Something that a process holds open of a source."""

    def close(self) -> None:
        """Let go of it."""


class SqlSettings(BaseSettings):
    """The section as a whole, from whatever sources the core has merged.

    Attributes:
        url, password: of the one database, where there is one.
        databases: name -> database, where there are several; each is a tenant.
        schema_: where the tables are, written `schema`; without it the default one.
        include, exclude: patterns of table names, as the source spells them.
        leave_out: patterns `table.column` of columns that are never read.
        prefix: before the name of every target table.
        foreign_keys: prove those of the source in the target too.
        tables: what is special, table by table.
        insecure_reason: why a server on another machine is read without verified TLS.
        tenant_column: a column that says in every row, and in every key, which of several
            databases it came from, so that they may share tables.
    """

    model_config = SettingsConfigDict(extra="forbid", populate_by_name=True)

    url: Url | None = Field(None, repr=False, json_schema_extra=_NO_ROWS)
    password: SecretStr | None = Field(None, min_length=1)
    databases: dict[Name, Database] = Field(default_factory=dict)
    schema_: str | None = Field(None, alias="schema", min_length=1)
    include: list[str] = Field(default_factory=lambda: ["*"], json_schema_extra=_NO_ROWS)
    exclude: list[str] = Field(default_factory=list, json_schema_extra=_NO_ROWS)
    leave_out: list[ColumnPattern] = Field(default_factory=list)
    prefix: Annotated[str, Field(pattern=r"^([a-z_][a-z0-9_]*)?$", max_length=40)] = ""
    foreign_keys: bool = Field(default=True, json_schema_extra=_NO_ROWS)
    tables: dict[str, TableEntry] = Field(default_factory=dict)
    insecure_reason: str = Field("", json_schema_extra=_NO_ROWS)
    tenant_column: Identifier | None = None
    _directory: Path = PrivateAttr(default_factory=Path.cwd)
    # What this process has open, by tenant and purpose; `release` closes it.
    _open: dict[tuple[str, str], Open] = PrivateAttr(default_factory=dict)
    # What this process found in the databases, and which of them it could not read.
    _layouts: list[Any] = PrivateAttr(default_factory=list)
    _problems: dict[str, SourceError] = PrivateAttr(default_factory=dict)

    # The initialiser of BaseSettings reads the environment and drops the validation context;
    # the core has merged all sources already and passes what it knows in that context.
    if not TYPE_CHECKING:
        __init__ = BaseModel.__init__

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> SqlSettings:
        context: dict[str, Any] = info.context or {}
        self._directory = Path(context.get("directory", Path.cwd())).absolute()
        if (self.url is None) == (not self.databases):
            raise ValueError("either url or databases has to be set, and not both")
        if self.databases and self.password is not None:
            raise ValueError("each of several databases has a password of its own")
        if self.tenant_column and not self.databases:
            raise ValueError("tenant_column is for several databases")
        written = frozenset(context.get("written", ()))
        for name in self.databases or [""]:
            database = self.databases.get(name, self)
            _check_secrets(database, f"databases.{name}." if name else "", written)
        return self

    @property
    def tenants(self) -> list[str]:
        """The names of the databases; one without a name is the empty one."""
        return list(self.databases) or [""]

    @property
    def directory(self) -> Path:
        """The folder of migrate.toml."""
        return self._directory

    @property
    def open(self) -> dict[tuple[str, str], Open]:
        """What this process holds open, by tenant and purpose."""
        return self._open

    @property
    def layouts(self) -> list[Any]:
        """The tables that this process found, as `tables.Layout`."""
        return self._layouts

    @property
    def problems(self) -> dict[str, SourceError]:
        """Tenant -> why its database could not be read."""
        return self._problems

    def of(self, tenant: str) -> Source:
        """What is set for one database, with what the section says for all."""
        own = self.databases.get(tenant, Database())
        shared = {
            name: value if (value := getattr(own, name)) is not None else getattr(self, name)
            for name in _SHARED
        }
        return Source(
            tenant=tenant,
            url=_whole(own.url or self.url or "", own.password or self.password, self._directory),
            schema=own.schema_ or self.schema_,
            tenant_column=self.tenant_column,
            **shared,
        )

    def release(self) -> None:
        """Close whatever is open."""
        while self._open:
            _, opened = self._open.popitem()
            with suppress(Exception):  # it may be gone already
                opened.close()


@dataclass(frozen=True)
class Source:
    """One database, everything decided; `SqlSettings` says what the fields mean."""

    tenant: str
    url: URL = field(repr=False)
    schema: str | None
    include: list[str]
    exclude: list[str]
    leave_out: list[str]
    prefix: str
    foreign_keys: bool
    tables: dict[str, TableEntry]
    insecure_reason: str
    tenant_column: str | None

    @property
    def kind(self) -> Literal["postgresql", "sqlite"]:
        """Which of the two it is."""
        return "sqlite" if self.url.drivername == "sqlite" else "postgresql"

    @property
    def label(self) -> str:
        """The source as people see it."""
        return f"sql@{self.tenant}" if self.tenant else "sql"

    def wants(self, table: str) -> bool:
        """Is the table to be read?"""
        return any(fnmatchcase(table, pattern) for pattern in self.include) and not any(
            fnmatchcase(table, pattern) for pattern in self.exclude
        )

    def leaves_out(self, table: str, column: str) -> bool:
        """Is the column on the deny list?"""
        return any(fnmatchcase(f"{table}.{column}", pattern) for pattern in self.leave_out)


def _check_secrets(database: Any, prefix: str, written: frozenset[str]) -> None:
    """Refuse passwords that stand in migrate.toml as they are."""
    if f"{prefix}password" in written:
        raise ValueError(f"{prefix}password must be a reference such as env://NAME or file://path")
    if database.url is None:
        raise ValueError(f"{prefix}url is missing")
    url = make_url(database.url)
    if url.password is not None and database.password is not None:
        raise ValueError(f"{prefix}url and {prefix}password both hold a password")
    host = url.host or ""
    is_near = host.strip("[]") in _LOOPBACK and "host" not in url.query
    if url.password is not None and f"{prefix}url" in written and not is_near:
        raise ValueError(
            f"{prefix}url holds a password, and files are read by others: leave it out of the"
            f" URL and set {prefix}password to a reference such as env://NAME"
        )
    if url.drivername == "sqlite" and database.password is not None:
        raise ValueError(f"{prefix}password: an SQLite file takes none")


def _whole(text: str, password: SecretStr | None, directory: Path) -> URL:
    url = make_url(text)
    if url.drivername == "sqlite":
        return url.set(database=str(directory / Path(str(url.database)).expanduser()))
    if password is not None:
        url = url.set(password=password.get_secret_value())
    return url.set(drivername="postgresql+psycopg")
