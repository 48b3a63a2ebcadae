"""Reads the API: every record as its JSON text, page by page, and proves that none is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import pyarrow as pa

from messy_migration.errors import SourceError
from messy_migration.http import Answer, Bearer, Client, dump, walk
from messy_migration.model import Extracted, Filtered, Frame, Origin, Partition, Stream
from messy_migration_vivenu.catalogue import ENDPOINTS, SERIES_PATH, tenant_of
from messy_migration_vivenu.readers.coupons import SERIES
from messy_migration_vivenu.settings import Tenant, VivenuSettings
from messy_migration_vivenu.words import DENY

DUPLICATE = "core.duplicate"

Transport = httpx2.BaseTransport | None
Params = list[tuple[str, str | int | None]]


def records(
    stream: Stream, partition: Partition, settings: VivenuSettings, transport: Transport = None
) -> Iterator[Extracted]:
    """The records of a partition as frames of id, updated_at and payload.

    Raises:
        SourceError: the source cannot be read, or not as a whole.
    """
    tenant = tenant_of(stream, settings)
    endpoint = ENDPOINTS[stream.name]
    with _client(tenant, transport) as client:
        read = _Reader(client, tenant, stream.label)
        series = read.series() if stream.name == "vivenu.coupons" else None
        window = _window(partition) if endpoint.windowed else []
        for texts, page_records, duplicates in read.pages(endpoint.path, endpoint.envelope, window):
            if page_records:
                yield _frame(stream, page_records, texts, series)
            if duplicates:
                yield Filtered(DUPLICATE, duplicates)


def total(
    stream: Stream, partition: Partition, settings: VivenuSettings, transport: Transport = None
) -> int | None:
    """How many records the source itself says a partition has; None if it does not say.

    Raises:
        SourceError: the source cannot be asked.
    """
    tenant = tenant_of(stream, settings)
    endpoint = ENDPOINTS[stream.name]
    window = _window(partition) if endpoint.windowed else []
    with _client(tenant, transport) as client:
        answer = client.get_json(endpoint.path, [*window, ("top", 1), ("skip", 0)])
    written = answer.get("total") if isinstance(answer, dict) else None
    is_count = isinstance(written, int) and not isinstance(written, bool) and written >= 0
    return written if is_count else None


@dataclass(frozen=True, slots=True)
class _Reader:
    """One client on the lists of one account."""

    client: Client
    tenant: Tenant
    where: str

    def pages(
        self, path: str, envelope: str, window: Params
    ) -> Iterator[tuple[tuple[str, ...], tuple[Mapping[str, Any], ...], int]]:
        """Texts and records of each page, and how many more were the same again."""

        def fetch(skip: int, top: int, tries: int | None) -> Answer:
            # A parameter that the API does not know is an answer 400, so there are no others.
            params: Params = [*window, ("top", top), ("skip", skip)]
            return _answer(self.client.get_json(path, params, tries=tries), envelope, self.where)

        top, floor = self.tenant.top, min(self.tenant.floor, self.tenant.top)
        for page in walk(fetch, top=top, floor=floor, key="_id", where=self.where):
            yield page.texts, page.records, page.duplicates

    def series(self) -> dict[str, Mapping[str, Any]]:
        """The terms of all coupon series by their ids."""
        return {
            str(record["_id"]): record
            for _, page_records, _ in self.pages(SERIES_PATH, "", [])
            for record in page_records
            if record.get("_id")
        }


def _client(tenant: Tenant, transport: Transport) -> Client:
    return Client(
        tenant.base_url,
        auth=Bearer(tenant.token),
        deny=DENY,
        settings=tenant.http,
        rate=tenant.rate,
        transport=transport,
    )


def _window(partition: Partition) -> Params:
    bounds = partition.bounds
    return [("updatedAt[$gte]", bounds["from"]), ("updatedAt[$lt]", bounds["to"])]


def _answer(answer: Any, envelope: str, where: str) -> Answer:
    """The records in an answer: under the envelope's name, or bare, or under `docs`."""
    if not envelope and isinstance(answer, list):
        return Answer(answer)
    name = envelope or "docs"
    if not isinstance(answer, dict) or not isinstance(answer.get(name), list):
        raise SourceError(
            "the source answered in another form than documented",
            where,
            f"the answer has no list {name!r}" if envelope else "the answer is no list",
            "check base_url; if it is right, the API has changed",
        )
    return Answer(answer[name], answer.get("total"))


def _frame(
    stream: Stream,
    page_records: tuple[Mapping[str, Any], ...],
    texts: tuple[str, ...],
    series: Mapping[str, Mapping[str, Any]] | None,
) -> Frame:
    if series is not None:
        texts = tuple(dump(_with_terms(record, series)) for record in page_records)
    ids = [_name(record, text) for record, text in zip(page_records, texts, strict=True)]
    stamps = [record.get("updatedAt") for record in page_records]
    columns: dict[str, list[str | None]] = {
        "id": [*ids],
        "updated_at": [stamp if isinstance(stamp, str) else None for stamp in stamps],
        "payload": [*texts],
    }
    table = pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})

    def origin(row: int) -> Origin:
        return Origin(texts[row].encode(), f"{stream.label} record {ids[row]}")

    return Frame(table, origin)


def _with_terms(
    record: Mapping[str, Any], series: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any]:
    terms = series.get(str(record.get("couponSeriesId")))
    return record if terms is None else {**record, SERIES: terms}


def _name(record: Mapping[str, Any], text: str) -> str:
    """The id, or for a record without one, which no reader will take, its digest."""
    own_id = record.get("_id")
    is_id = isinstance(own_id, str | int) and not isinstance(own_id, bool) and own_id != ""
    return str(own_id) if is_id else f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:32]}"
