"""One reading of a partition, held against the fingerprint that its source computes itself.

Every receipt holds the fingerprint of its batch as it was extracted, before any hook; that of
the last batch also holds what the source says of the whole partition. A worker that goes on with
a partition reads it again from its start and leaves out what is committed. So it looks whether
the committed batches are what it reads now. Where they are not, they are not what the source has,
unless nobody holds a snapshot of it: then it may have changed in between.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from messy_migration.errors import PluginError
from messy_migration.fingerprint.rows import fingerprint
from messy_migration.ledger.source_proofs import EARLIER, OFF, OLDER, SILENT
from messy_migration.model import Extraction, Fingerprint, Partition, Stream
from messy_migration.pipeline.cut import Cut
from messy_migration.pipeline.prepare import Prepared
from messy_migration.pipeline.shape import frame_columns
from messy_migration.workspace import Workspace

HOOK = "source_fingerprint"


@dataclass
class Reading:
    """A partition on its way from its source.

    Attributes:
        workspace: with the plugin.
        stream, partition: what is read.
        earlier: identity of a batch or part -> what it held when it was committed; None where
            its receipt does not say.
    """

    workspace: Workspace
    stream: Stream
    partition: Partition
    earlier: Mapping[str, Fingerprint | None]
    _read: Fingerprint = field(default_factory=Fingerprint)
    _whole: Fingerprint = field(default_factory=Fingerprint)
    _kept: Fingerprint | None = field(default_factory=Fingerprint)
    _committed: Fingerprint = field(default_factory=Fingerprint)

    @property
    def is_offered(self) -> bool:
        """Can the source compute a fingerprint?"""
        registry = self.workspace.registry
        return not self.stream.lands and registry.implements(self.stream.plugin, HOOK)

    @property
    def is_on(self) -> bool:
        """Is it asked?"""
        return self.is_offered and self.workspace.settings.core.source_proof

    def take(self, batch: Cut, batch_ids: Collection[str]) -> None:
        """Take note of a batch, all of it, whether it is committed or not."""
        if not self.is_on:
            return
        self._whole = read_fingerprint(self.stream, batch)
        self._read += self._whole
        for identity, kept in self.earlier.items():
            if identity.partition(".")[0] in batch_ids:
                so_far = self._kept
                self._kept = None if so_far is None or kept is None else so_far + kept

    def with_extraction(self, prepared: Prepared, batch: Cut) -> Prepared:
        """A batch, or the part of one that is about to be written, with what was extracted.

        Raises:
            SourceError: the source, or its snapshot, is gone.
        """
        part = prepared.cut
        if not self.is_on:
            note = OFF if self.is_offered and part.last else ""
            return replace(prepared, extraction=Extraction(note=note))
        read = self._whole if part is batch else read_fingerprint(self.stream, part)
        self._committed += read
        extraction = self._stated(read) if part.last else Extraction(read)
        sent = {self.stream.tables[0].name: read} if _is_as_read(prepared) else {}
        return replace(prepared, extraction=extraction, sent=sent)

    def _stated(self, read: Fingerprint) -> Extraction:
        source = self._asked()
        if source is None:
            return Extraction(read, note=SILENT)
        if source != self._read:
            return Extraction(read, source)
        if self._kept is None:
            return Extraction(read, source, OLDER)
        is_same = self._kept + self._committed == self._read
        return Extraction(read, source, "" if is_same or self.partition.held else EARLIER)

    def _asked(self) -> Fingerprint | None:
        plugin = self.stream.plugin
        answer = self.workspace.registry.call_one(
            plugin,
            HOOK,
            stream=self.stream.as_offered,
            partition=self.partition,
        )
        if answer is not None and not isinstance(answer, Fingerprint):
            raise PluginError(
                "a plugin gave something that is no Fingerprint",
                f"plugin {plugin}, {HOOK}, stream {self.stream.label}",
                f"it is a {type(answer).__name__}",
            )
        return answer


def read_fingerprint(stream: Stream, part: Cut) -> Fingerprint:
    """The fingerprint of a batch as it was extracted.

    Raises:
        PluginError: a frame is not of the declared types.
    """
    stored = Fingerprint()
    try:
        for table in part.tables:
            stored += fingerprint(table, frame_columns(stream))
    except (pa.ArrowException, KeyError) as error:
        raise PluginError(
            "a source that computes fingerprints yielded a frame of other types",
            f"stream {stream.label}",
            type(error).__name__,
            f"yield the declared columns, or leave out {HOOK}",
        ) from error
    return stored


def _is_as_read(prepared: Prepared) -> bool:
    """Are the rows that go to the target, cell by cell, those that were extracted?"""
    stream, read = prepared.stream, prepared.cut.tables
    if (
        stream.offered
        or stream.record
        or not read
        or list(prepared.tables) != [stream.tables[0].name]
    ):
        return False
    (sent,) = prepared.tables.values()
    if sent.num_rows != prepared.cut.rows:
        return False
    for name in stream.tables[0].names:
        cells = sent.column(name)
        if any(table.column(name).type != cells.type for table in read):
            return False
        chunks = [chunk for table in read for chunk in table.column(name).chunks]
        if not cells.equals(pa.chunked_array(chunks, cells.type)):
            return False
    return True
