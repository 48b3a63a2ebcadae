"""The calls: a token, the list of events, and the lists that are asked once per event."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from messy_migration.errors import SourceCountDrift, SourceError
from messy_migration.http import Answer, Client, Page, PasswordGrant, dump, walk
from messy_migration_eventcombo.deny import DENY
from messy_migration_eventcombo.envelope import unwrap
from messy_migration_eventcombo.settings import Account, EventComboSettings, EventList, PerEvent

_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")

Identity = Callable[[Mapping[str, Any]], str | None]


def connect(settings: EventComboSettings, account: Account) -> Client:
    """A client of one account; asks for a token with its first call, and not before.

    Raises:
        ConfigurationError: the base URL would send the password in the clear.
    """
    token = settings.token
    grant = PasswordGrant(
        token.path,
        account.username,
        account.password,
        token.field,
        token.expires_field,
        lifetime=token.fallback_life,
        early=token.refresh_early,
    )
    return Client(
        settings.base_of(account),
        auth=grant,
        deny=DENY,
        settings=settings.http,
        rate=settings.calls_per_second,
    )


def listed(
    client: Client,
    settings: EventComboSettings,
    endpoint: EventList | PerEvent,
    identity: Identity,
    event: str = "",
) -> Iterator[Page]:
    """All records of one list, proven to be all of them as far as the service lets us.

    Raises:
        SourceError: the service does not answer, answers in an unknown shape, or holds other
            records than it counts.
    """
    path, query = _address(endpoint.path or "", event)
    if endpoint.paging == "none":
        yield _whole(client, settings, path, query)
        return
    numbers = settings.paging

    def fetch(page: int, top: int, tries: int | None) -> Answer:
        asked = {
            **query,
            numbers.page_param: str(page + numbers.first),
            numbers.size_param: str(top),
        }
        answer = unwrap(client.get_json(path, asked, tries=tries), settings.envelope, path)
        return Answer(answer.records, answer.total)

    yield from walk(
        fetch, top=numbers.size, floor=numbers.size, key=identity, step="pages", where=path
    )


def _whole(
    client: Client,
    settings: EventComboSettings,
    path: str,
    query: Mapping[str, str],
) -> Page:
    """A list that comes in one answer; what repeats in it is counted and given once."""
    answer = unwrap(client.get_json(path, query), settings.envelope, path)
    records: dict[str, Mapping[str, Any]] = {}
    for record in answer.records:
        if not isinstance(record, dict):
            raise SourceError(
                "a list holds something that is no record", path, f"a {type(record).__name__}"
            )
        records.setdefault(dump(record), record)
    if answer.total is not None and answer.total > len(answer.records):
        raise SourceCountDrift(
            "INCOMPLETE: a list holds fewer records than it counts",
            path,
            f"{len(answer.records):,} of {answer.total:,}",
            'set paging = "page" for this list',
        )
    return Page(tuple(records.values()), tuple(records), len(answer.records) - len(records))


def _address(template: str, event: str) -> tuple[str, dict[str, str]]:
    """Path and query of a call; the client takes them apart for the sake of its errors."""
    if event and not _EVENT_ID.match(event):
        raise SourceError("an event has an id that cannot be asked for", template)
    path, _, query = template.replace("{event_id}", event).partition("?")
    return path, dict(parse_qsl(query, keep_blank_values=True))
