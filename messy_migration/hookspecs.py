"""The seam between the core and its plugins.

A plugin is a module (or an object) with functions marked `hookimpl`, published under the
entry-point group `messy_migration`; the name of the entry point is the word that people type
after `--plugins`. A hook runs per stream, partition or batch, never per record. Arguments are
passed by name: an implementation takes only those it needs, so a hook can grow an argument
without breaking anybody. `settings` are always the plugin's own: an instance of what its
`settings_model` gave, or None.

    from messy_migration.hookspecs import hookimpl

    @hookimpl
    def streams(settings): ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa
    from pydantic_settings import BaseSettings
    from sqlalchemy import Connection

    from messy_migration.model import (
        Batch,
        Derived,
        Extracted,
        Fingerprint,
        LoadCounts,
        Partition,
        Sandbox,
        Stream,
        Transformed,
        Violation,
    )
    from messy_migration.model.event import Event

PROJECT = "messy_migration"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def settings_model() -> type[BaseSettings]:  # type: ignore[empty-body]
    """The class of the plugin's own section of migrate.toml and of its own variables.

    Asked of each selected plugin once in every process. A plugin without settings leaves it
    out and gets None wherever a hook takes `settings`.
    """


@hookspec
def streams(settings: Any) -> Sequence[Stream]:  # type: ignore[empty-body]
    """The streams that a source offers, with the schema of every table they write.

    Asked of each selected plugin once by every command, in the parent process; it must give the
    same answer each time and may not read the source's records. Of several tenants, one that
    does not answer is given as a stream with a `problem`, and stops no other.
    """


@hookspec
def omitted(settings: Any) -> Sequence[str]:  # type: ignore[empty-body]
    """What the source has and the settings leave out whole, such as `table log`.

    Asked of each selected plugin in the parent process, by a reconciliation against the source:
    what `streams` offers and no run carried is no MATCH, and this is named as left out on
    purpose, as are the fields that a stream denies. None is nothing.
    """


@hookspec
def reshape(stream: Stream, settings: Any) -> Stream | None:
    """The stream with tables or columns added, changed or dropped; None leaves it as it is.

    Asked of every selected plugin in the order of `--plugins`, each seeing what the one before
    gave, once per stream by every command in the parent process, before anything is planned; the
    same answer each time. Only `tables`, `depends_on` and `assumed` may change; a key, a scope
    and the bookmark keep their columns. The hooks of the stream's owner go on with the stream as
    it declared it, `extract` yields that one's columns, and `transform`, `validate` and `load`
    see the reshaped one. A column or a table that was added is filled by a transform, else that
    is an error; one that was dropped reaches the transforms, and the core drops it after the last.
    Between them a column has its new type where its values may be cast to it, else its owner's.
    A plugin that reshapes a stream counts in its plan id.
    """


@hookspec
def derive(streams: Sequence[Stream], settings: Any) -> Sequence[Derived]:  # type: ignore[empty-body]
    """Tables that are made from others when a run ends.

    Asked of every selected plugin in the parent process; `streams` are all streams of all of
    them, reshaped. The rows are made twice, in two ways, and put in place in one transaction,
    with a receipt that names the fingerprints of the bases. A reconciliation makes them again
    where the bases are still the same. A table is made anew when a base, its SQL, its plugin's
    version or the settings that change rows are others.
    """


@hookspec
def partitions(  # type: ignore[empty-body]
    stream: Stream,
    since: datetime | None,
    planned: Sequence[Partition] | None,
    records: int,
    settings: Any,
) -> Sequence[Partition]:
    """The independent slices of a stream, in a stable order.

    Asked of the stream's owner, once per command, in the parent process. `since` is the
    bookmark minus the overlap, or None. `planned` is None in a new run; in a resumed one it is
    what the run planned before and has not completed, for a plugin that would cut otherwise
    now: it gives the same again, with `held` as it is now. Of a stream that lands only an owner
    that takes `planned` is asked then; it gives the same windows, as the settings of today read
    them, under the digests that follow from these. `records` is the most that one
    batch may hold. Whatever is opened for this is closed by `release`. Without an
    implementation a stream is one partition, read whole by every run and merged by its key;
    without a key it is read once.
    """


@hookspec
def extract(stream: Stream, partition: Partition, settings: Any) -> Iterator[Extracted]:  # type: ignore[empty-body]
    """The records of a partition in a stable order, as frames and rejected records.

    Asked of the stream's owner in a worker. Called again, it starts at the partition's start
    and yields the same records in the same order: that is what makes a killed run resumable. One
    partition of each stream that does not land is begun twice in every run, to see that it does.
    """


@hookspec
def count(stream: Stream, partition: Partition, settings: Any) -> int | None:
    """How many records the source itself says the partition has; None if it does not say.

    Asked of the stream's owner in a worker, when all of the partition was read and before its
    last batch is committed. Independent of `extract`: a header, a total, a COUNT. It has to be
    the number of records that were extracted; for a stream that lands, where paging may give a
    record twice, at least the different values of the first column of its record.
    """


@hookspec
def source_fingerprint(stream: Stream, partition: Partition, settings: Any) -> Fingerprint | None:
    """The source's own fingerprint of a partition's rows; None if it cannot compute one.

    Asked of the stream's owner in a worker, when all of the partition was read and before its
    last batch is committed; never of a stream that lands. It covers the rows that `extract`
    yields in frames, and no rejected record: every column of the stream's `record`, or of its
    first table, with the value that is declared. It is computed where the rows are, in the
    snapshot in which `extract` read them, and by other code: it is held against what was
    extracted, before any hook. `messy_migration.c1` has what it is made of.
    """


@hookspec
def source_rows(
    stream: Stream, partition: Partition, settings: Any
) -> Iterator[Sequence[str]] | None:
    """The rows behind `source_fingerprint`: the C1 field of each cell, as the source writes it.

    Asked of the stream's owner in the parent process, where the fingerprint of a partition
    differs from that of what was extracted, to name the rows and columns.
    """


@hookspec
def release(settings: Any) -> None:
    """The command is over: close what `streams`, `partitions` or `extract` left open.

    Asked of every selected plugin in the parent process, however the command ended. A worker
    takes what it has open with it.
    """


@hookspec
def transform(
    stream: Stream, table: str | None, batch: Batch, settings: Any
) -> Transformed | pa.Table | pd.DataFrame | Mapping[str, pa.Table | pd.DataFrame] | None:
    """Change the rows of a batch; None leaves them as they are.

    Asked of every selected plugin in the order of `--plugins`, each seeing what the one before
    returned. `table` is the target table of the rows, or None for an extracted frame that is
    not a table's yet; a mapping table -> frame makes the tables from it. Whatever is returned
    carries the column `_record`. A record that was given and is left out is not lost in silence:
    it is an error, unless a `Transformed` names the rule that filters it. May not depend on
    other records, on the run or on the clock.
    """


@hookspec
def validate(stream: Stream, table: str, batch: Batch, settings: Any) -> Sequence[Violation] | None:
    """The rules that rows of a batch break. Asked of every selected plugin, once per table."""


@hookspec(firstresult=True)
def load(
    stream: Stream, table: str, batch: Batch, connection: Connection, settings: Any
) -> LoadCounts | None:
    """Write the rows of a batch on the given connection, inside its open transaction.

    Asked of every selected plugin; the first that answers takes the batch, the core is last.
    Neither commits nor rolls back.
    """


@hookspec
def sandbox(seed: int) -> Sandbox:  # type: ignore[empty-body]
    """A source of this kind to try things on, the same for the same seed.

    Asked of each selected plugin by `--sandbox`, in a process of its own that serves it.
    """


@hookspec(firstresult=True)
def resolve_secret(reference: str, settings: Any) -> str | None:
    """The value behind a secret reference such as `vault://path#key`; None if not known.

    Asked of every selected plugin, in each process; two that answer are refused. The settings of
    a plugin that has this hook are read before those of the others, so that a vault may have
    an address and a token of its own.
    """


@hookspec(firstresult=True)
def engine(name: str, workers: int, settings: Any) -> Executor | None:
    """An executor on a cluster, for `--engine NAME`; None if the name is not known."""


@hookspec
def notify(event: Event, settings: Any) -> None:
    """Something happened: to a run, or to a command that could not begin.

    Asked of every selected plugin, in a thread of its own in the parent process, one event after
    the other; `messy_migration.model.events` is the catalogue. One that fails is logged and
    changes nothing. One that takes longer than ten seconds over an event is told nothing more, and
    the end of a command waits less than a second for all of them.
    """
