"""Streams from the tables of a database."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from messy_migration.errors import ConfigurationError, SourceError
from messy_migration.model import Column, ColumnType, ForeignKey, Stream, Table
from messy_migration.reflection import UNSIZED, Reflected, reflect, table_names
from messy_migration_sql.names import acyclic, plain_names
from messy_migration_sql.settings import Source, TableEntry

__all__ = ["Layout", "layouts", "streams"]

PLUGIN = "sql"
_NO_ZONE = ("timestamp without time zone", "timestamp", "datetime")


@dataclass(frozen=True)
class Layout:
    """A table of a source, and the stream that reads it.

    Attributes:
        stream: as it is offered.
        table: its name in the source.
        columns: source column of each column of the stream, without the tenant's.
        key: source columns of the key that the source itself keeps; empty where it keeps none,
            so that a row may be outside of every range.
        bookmark: source column of the bookmark, if it says when.
    """

    stream: Stream
    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    bookmark: str | None


@dataclass(frozen=True)
class _Draft:
    """A reflected table with the names that it gets."""

    reflected: Reflected
    entry: TableEntry
    name: str
    names: Mapping[str, str]
    kinds: Mapping[str, ColumnType]

    @property
    def source(self) -> str:
        return self.reflected.table.name


def layouts(connection: Connection, source: Source) -> list[Layout]:
    """What a database offers, as the settings have it.

    Raises:
        ConfigurationError: a setting names nothing, a column has no type of ours, or two names
            become one.
        SourceError: nothing is left to be read.
    """
    there = table_names(connection, source.schema)
    _refuse_unknown(source.tables, there, f"{source.label}, tables", "table")
    names_wanted = [name for name in there if source.wants(name)]
    if not names_wanted:
        raise SourceError(
            "the source has no table to read",
            source.label,
            f"it has {len(there)}, and `include` and `exclude` leave none",
            "check `schema`, `include` and `exclude`",
        )
    targets = {name: entry.target for name, entry in source.tables.items() if entry.target}
    names = plain_names(names_wanted, targets, "table", source.label)
    reflected_of = [(name, _reflected(connection, name, source)) for name in names_wanted]
    _refuse_unsupported(source, dict(reflected_of))
    drafts = {name: _draft(source, reflected, names[name]) for name, reflected in reflected_of}
    return [_layout(source, draft, drafts) for draft in drafts.values()]


def streams(layouts_read: Sequence[Layout]) -> list[Layout]:
    """The same with what depends on what, circles left out."""
    edges: dict[str, set[str]] = {}
    for layout in layouts_read:
        edges.setdefault(layout.stream.name, set()).update(layout.stream.depends_on)
    parents = acyclic(edges)
    return [
        replace(
            layout,
            stream=replace(layout.stream, depends_on=tuple(sorted(parents[layout.stream.name]))),
        )
        for layout in layouts_read
    ]


def _reflected(connection: Connection, name: str, source: Source) -> Reflected:
    """The table; one without any column of ours is refused with the others."""
    try:
        return reflect(connection, name, source.schema)
    except SourceError as error:
        if "supported type" not in error.what:
            raise
        raise ConfigurationError(
            error.what, f"{source.label}, {error.where}", error.why, "set `exclude`"
        ) from None


def _refuse_unsupported(source: Source, tables: Mapping[str, Reflected]) -> None:
    wrong = [
        f"{table}.{column} is {spelled or 'without a type'}"
        for table, reflected in tables.items()
        for column, spelled in reflected.unsupported.items()
        if not source.leaves_out(table, column)
        and column not in source.tables.get(table, TableEntry()).types
    ]
    if wrong:
        raise ConfigurationError(
            "columns of the source have types that cannot be moved exactly",
            source.label,
            "; ".join(wrong),
            'name them in `leave_out`, or give them a type in `types`, such as "text"',
        )


def _draft(source: Source, reflected: Reflected, name: str) -> _Draft:
    table = reflected.table.name
    entry = source.tables.get(table, TableEntry())
    where = f"{source.label}, table {table}"
    said = [*entry.types, *entry.rename, *entry.key, *filter(None, [entry.bookmark])]
    _refuse_unknown(said, list(reflected.types), where, "column")
    kinds = {
        column: ColumnType.parse(entry.types[column])
        if column in entry.types
        else reflected.table.column(column).type
        for column in reflected.types
        if not source.leaves_out(table, column)
        and (column in entry.types or column not in reflected.unsupported)
    }
    if not kinds:
        raise ConfigurationError("every column of a table is left out", where, next="`exclude` it")
    _refuse_unknown([*entry.key, *filter(None, [entry.bookmark])], list(kinds), where, "column")
    names = plain_names(kinds, entry.rename, "column", where)
    if source.tenant_column in names.values():
        raise ConfigurationError(
            f"a column is called {source.tenant_column!r} as the tenant's",
            where,
            next="set another `tenant_column`, or `rename` the column",
        )
    return _Draft(reflected, entry, name, names, kinds)


def _layout(source: Source, draft: _Draft, drafts: Mapping[str, _Draft]) -> Layout:
    kept = draft.reflected.table
    own_key = kept.key if set(kept.key) <= set(draft.names) else ()
    key = tuple(draft.entry.key) or own_key
    required = {column.name for column in kept.columns if column.required} | set(key)
    shared = (source.tenant_column,) if source.tenant_column else ()
    columns = [Column(name, ColumnType("text"), required=True) for name in shared]
    columns += [
        Column(draft.names[column], kind, required=column in required)
        for column, kind in draft.kinds.items()
    ]
    foreign = _foreign_keys(source, draft, drafts, shared)
    bookmark = draft.entry.bookmark
    says_when = bookmark is not None and draft.kinds[bookmark].kind == "timestamp"
    table = Table(
        source.prefix + draft.name,
        tuple(columns),
        (*shared, *(draft.names[column] for column in key)) if key else (),
        tuple((name, source.tenant) for name in shared),
        tuple(foreign),
    )
    return Layout(
        _stream(source, draft, table, drafts),
        draft.source,
        tuple(draft.kinds),
        own_key if not draft.entry.key or draft.entry.key == list(own_key) else (),
        bookmark if says_when else None,
    )


def _stream(source: Source, draft: _Draft, table: Table, drafts: Mapping[str, _Draft]) -> Stream:
    parents = {
        f"{PLUGIN}.{drafts[key.parent].name}"
        for key in draft.reflected.table.foreign_keys
        if key.parent in drafts and source.foreign_keys
    }
    left_out = [name for name in draft.reflected.types if name not in draft.kinds]
    bookmark = draft.entry.bookmark
    try:
        return Stream(
            f"{PLUGIN}.{draft.name}",
            (table,),
            tenant=source.tenant,
            bookmark=draft.names[bookmark] if bookmark else None,
            depends_on=tuple(parents),
            deny=tuple(left_out),
            overlap=draft.entry.overlap,
            assumed=tuple(_assumed(source, draft)),
            settings={
                "schema": source.schema,
                "prefix": source.prefix,
                "tenant_column": source.tenant_column,
                "left_out": sorted(left_out),
                "table": draft.entry,
            },
        )
    except ConfigurationError as error:
        raise ConfigurationError(
            error.what,
            f"{source.label}, table {draft.source}",
            error.why,
            "set its `target`, or `rename` the column",
        ) from None


def _foreign_keys(
    source: Source, draft: _Draft, drafts: Mapping[str, _Draft], shared: tuple[str, ...]
) -> list[ForeignKey]:
    """Those whose parent and columns are read too, in the names of the target."""
    references = []
    for key in draft.reflected.table.foreign_keys if source.foreign_keys else ():
        parent = drafts.get(key.parent)
        if parent is None or not set(key.columns) <= set(draft.names):
            continue
        if set(key.parent_columns) <= set(parent.names):
            references.append(
                ForeignKey(
                    (*shared, *(draft.names[name] for name in key.columns)),
                    source.prefix + parent.name,
                    (*shared, *(parent.names[name] for name in key.parent_columns)),
                )
            )
    return references


def _assumed(source: Source, draft: _Draft) -> list[str]:
    """What the types of the source leave open, a line each."""
    types = draft.reflected.types
    local = [name for name in draft.kinds if _words(types[name]) in _NO_ZONE]
    local = [name for name in local if draft.kinds[name].kind == "timestamp"]
    unsized = [
        name
        for name, kind in draft.kinds.items()
        if kind == UNSIZED and name not in draft.entry.types
    ]
    lines = []
    if local:
        lines.append(f"{source.label}: times without a zone in {draft.source} are UTC")
    if unsized:
        lines.append(
            f"{source.label}: {', '.join(unsized)} of {draft.source} without a size fits {UNSIZED}"
        )
    return lines


def _words(spelled: str) -> str:
    return " ".join(spelled.lower().partition("(")[0].split()) + (
        spelled.partition(")")[2].lower() if ")" in spelled else ""
    )


def _refuse_unknown(names: Iterable[str], there: Sequence[str], where: str, what: str) -> None:
    for name in names:
        if name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            raise ConfigurationError(
                f"the settings name a {what} that is not read: {name!r}",
                where,
                f"there are {', '.join(sorted(there)) or 'none'}",
                f"did you mean {near[0]!r}?" if near else "",
            )
