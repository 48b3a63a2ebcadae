"""The streams of the selected plugins: as their owners offer them, and as others reshape them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from fnmatch import fnmatchcase

from messy_migration.errors import ConfigurationError, MigrationError, PluginError, UsageProblem
from messy_migration.model import Derived, Stream, Table
from messy_migration.registry import Registry

_MAY_CHANGE = frozenset({"tables", "depends_on", "assumed", "offered", "reshaped_by"})


def offered(registry: Registry) -> list[Stream]:
    """All streams of all selected plugins, reshaped, in the order of the plugins.

    Raises:
        PluginError: a plugin breaks the contract of `streams` or of `reshape`.
        ConfigurationError: two streams write into one table.
    """
    streams_given: list[Stream] = []
    for plugin, answer in registry.call_each("streams"):
        with registry.guard(plugin, "streams"):
            streams = list(answer or ())
        for stream in streams:
            if not isinstance(stream, Stream) or stream.plugin != plugin:
                raise PluginError(
                    "a plugin offered a stream that is not its own",
                    f"plugin {plugin}",
                    "streams() gives Stream values named `plugin.stream`",
                )
            streams_given.append(reshaped(registry, _counting(registry, stream)))
    _refuse_doubles(streams_given)
    _refuse_lasting_stubs(streams_given)
    return streams_given


def _counting(registry: Registry, stream: Stream) -> Stream:
    """The stream with what of its settings changes rows; the rest crosses no border."""
    own = registry.sections.get(stream.plugin) if stream.settings is None else stream.settings
    return replace(stream, settings=registry.counted(own))


def derivations(registry: Registry) -> list[Derived]:
    """All derived tables of all selected plugins, each after those that it is made from.

    Raises:
        PluginError: a plugin breaks the contract of `derive`.
    """
    if not any(registry.implements(plugin, "derive") for plugin in registry.names):
        return []
    streams = offered(registry)
    there = {table.name for stream in streams for table in stream.tables}
    derivations: dict[str, Derived] = {}
    for plugin in registry.names:
        try:
            answer = registry.call_one(plugin, "derive", streams=tuple(streams))
            with registry.guard(plugin, "derive"):
                entries = list(answer or ())
        except PluginError:
            raise
        except MigrationError as error:  # the model refused what the plugin made
            where = f"plugin {plugin}, hook derive"
            raise PluginError(error.what, where, error.why, error.next) from error
        for entry in entries:
            why = _unusable(entry, there, derivations)
            if why:
                raise PluginError(
                    "a plugin derives a table that cannot be made",
                    f"plugin {plugin}, hook derive",
                    why,
                    "derive it from tables of the streams, or of what was derived before",
                )
            derivations[entry.table.name] = replace(entry, plugin=plugin)
    return list(derivations.values())


def _unusable(entry: object, there: Collection[str], before: Collection[str]) -> str:
    """Why a derived table cannot be made; empty if it can."""
    if not isinstance(entry, Derived):
        return f"it gave a {type(entry).__name__}, and no Derived"
    name = entry.table.name
    if name in there or name in before:
        return f"there is a table {name} already"
    missing = [base for base in entry.bases if base not in there and base not in before]
    return f"{name} is made from {', '.join(missing)}, which is no table" if missing else ""


def select(streams: Sequence[Stream], patterns: Sequence[str]) -> list[Stream]:
    """The streams that the patterns of `--select` name (`files.sales`, `files.*`).

    Raises:
        UsageProblem: a pattern names nothing.
    """
    if not patterns:
        return list(streams)
    for pattern in patterns:
        if not any(fnmatchcase(stream.name, pattern) for stream in streams):
            names = ", ".join(sorted({stream.name for stream in streams})) or "none"
            raise UsageProblem(
                f"--select {pattern!r} names no stream", why=f"the streams are {names}"
            )
    return [stream for stream in streams if is_chosen(stream, patterns)]


def is_chosen(stream: Stream, patterns: Sequence[str], tenants: Sequence[str] = ()) -> bool:
    """Do patterns of names and tenants choose the stream? None of either choose all."""
    is_named = not patterns or any(fnmatchcase(stream.name, pattern) for pattern in patterns)
    return is_named and (not tenants or stream.tenant in tenants)


def reshaped(registry: Registry, stream: Stream) -> Stream:
    """The stream after every plugin's `reshape`, with what it was before and who changed it."""
    if stream.problem is not None:
        return stream
    shape, by = stream, []
    for plugin in registry.names:
        try:
            answer = registry.call_one(plugin, "reshape", stream=shape)
        except PluginError:
            raise
        except MigrationError as error:  # the model refused what the plugin made
            raise _refused(plugin, stream, f"{error.where}: {error.what}: {error.why}") from error
        if answer is None:
            continue
        if not isinstance(answer, Stream):
            raise _refused(plugin, stream, f"it gave a {type(answer).__name__}, and no Stream")
        why = _obstacle(shape, answer)
        if why:
            raise _refused(plugin, stream, why)
        if answer != shape:
            by.append(plugin)
            shape = answer
    return replace(shape, offered=stream, reshaped_by=tuple(by)) if by else stream


def _refused(plugin: str, stream: Stream, why: str) -> PluginError:
    return PluginError(
        "a plugin reshapes a stream into one that cannot be loaded",
        f"plugin {plugin}, hook reshape, stream {stream.label}",
        why.removeprefix(": "),
        "change columns and tables only, and leave keys, scopes and the bookmark where they are",
    )


def _obstacle(before: Stream, after: Stream) -> str:
    """Why a stream may not become another one; empty if it may."""
    other = [
        field.name
        for field in fields(Stream)
        if field.name not in _MAY_CHANGE
        and getattr(before, field.name) != getattr(after, field.name)
    ]
    if other:
        return f"it changes the stream's {', '.join(other)}"
    names = [table.name for table in after.tables]
    if not names:
        return "it leaves no table"
    if len(set(names)) < len(names):
        return f"it has the table {max(names, key=names.count)} twice"
    for table in before.tables:
        if table.name in names:
            why = _lost(table, after.table(table.name), before.bookmark)
            if why:
                return why
    return ""


def _lost(before: Table, after: Table, bookmark: str | None) -> str:
    """What of a table may not go, and has gone."""
    for column in before.key:
        if column not in after.key:
            return f"it drops the key column {column} of table {before.name}"
    if before.scope != after.scope:
        return f"it changes the scope of table {before.name}"
    if bookmark in before.names and bookmark not in after.names:
        return f"it drops the bookmark {bookmark} of table {before.name}"
    return ""


def _refuse_doubles(streams: Sequence[Stream]) -> None:
    names: dict[tuple[str, str], Stream] = {}
    owners: dict[tuple[str, tuple[tuple[str, str], ...]], Stream] = {}
    for stream in streams:
        if (stream.name, stream.tenant) in names:
            raise PluginError(f"the stream {stream.label} is offered twice")
        names[stream.name, stream.tenant] = stream
        for table in stream.tables:
            other = owners.setdefault((table.name, table.scope), stream)
            if other is not stream:
                raise ConfigurationError(
                    f"two streams write into the table {table.name}",
                    f"{other.label} and {stream.label}",
                    "each table, or each scope of it, has one owner",
                    "give one of them another table",
                )


def _refuse_lasting_stubs(streams: Sequence[Stream]) -> None:
    """A row that came first stays, so that no real one could ever replace a stub."""
    firsts = {
        table.name for stream in streams for table in stream.tables if table.conflict == "first"
    }
    for stream in streams:
        for table in stream.tables:
            for key in table.foreign_keys:
                if key.stub and key.parent in firsts:
                    raise ConfigurationError(
                        f"stubs of {key.parent} would stay for ever",
                        f"stream {stream.label}, table {table.name}",
                        f"{key.parent} has conflict = first",
                        "leave out the stub, or the conflict",
                    )
