"""The section `[eventcombo]` of a profile: accounts, endpoints, and how answers are shaped.

Two endpoints are public fact, the token and the event list. Everything else about this API is
an assumption, so every line of it is a setting with the likeliest value as its default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from string import Formatter
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings, SettingsConfigDict

from messy_migration.http import HttpSettings
from messy_migration_eventcombo.deny import DENIED, bare

DEFAULT_TENANT = "default"
EVENT_ID = "event_id"

_STRICT = ConfigDict(extra="forbid", frozen=True)
_NO_ROWS: JsonDict = {"rows": False}


def _path(text: str) -> str:
    """A path below the base URL; `{event_id}` stands for an event."""
    if not text.startswith("/") or text.startswith("//"):
        raise ValueError("a path starts with one slash")
    fields = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
    if fields - {EVENT_ID}:
        raise ValueError("the only placeholder of a path is {event_id}")
    return text


def _event_path(text: str) -> str:
    if f"{{{EVENT_ID}}}" not in _path(text):
        raise ValueError("the path is asked once per event and needs {event_id}")
    return text


def _plain_path(text: str) -> str:
    if f"{{{EVENT_ID}}}" in _path(text):
        raise ValueError("the path is asked once and can hold no {event_id}")
    return text


def _base(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError("the base is an http or https URL without a user")
    if parts.query or parts.fragment:
        raise ValueError("the base has no query and no fragment")
    return text.rstrip("/")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError("not an IANA time zone, such as America/New_York") from None
    return name


def _currency(code: str) -> str:
    if not re.fullmatch("[A-Z]{3}", code):
        raise ValueError("not an ISO 4217 code, such as USD")
    return code


BaseUrl = Annotated[str, AfterValidator(_base)]
Path = Annotated[str, AfterValidator(_plain_path)]
EventPath = Annotated[str, AfterValidator(_event_path)]
Zone = Annotated[str, AfterValidator(_zone)]
Currency = Annotated[str, AfterValidator(_currency)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=63)]
Paging = Literal["none", "page"]
Entity = Literal["events", "ticket_types", "promo_codes", "orders", "attendees"]


class Account(BaseModel):
    """One organiser account. What it leaves out comes from the section."""

    model_config = _STRICT

    username: str = Field(min_length=1, repr=False, json_schema_extra=_NO_ROWS)
    password: SecretStr = Field(min_length=1)
    base_url: BaseUrl | None = Field(None, json_schema_extra=_NO_ROWS)
    default_timezone: Zone | None = None
    default_currency: Currency | None = None


class Token(BaseModel):
    """The password grant: where it is asked and what its answer looks like. Times in seconds."""

    model_config = _STRICT

    path: Path = "/API/Token"
    field: str = Field("access_token", min_length=1)
    expires_field: str = Field("expires_in", min_length=1)
    fallback_life: PositiveInt = 3600
    refresh_early: int = Field(60, ge=0)


class EventList(BaseModel):
    """The list of events; its path is public fact, that it is not paged an observation."""

    model_config = _STRICT

    path: Path = Field("/api/v2/Public/Event/List", json_schema_extra=_NO_ROWS)
    paging: Paging = Field("none", json_schema_extra=_NO_ROWS)


class PerEvent(BaseModel):
    """A list that is asked once per event; with an empty path the stream is not offered."""

    model_config = _STRICT

    path: Annotated[EventPath | None, BeforeValidator(lambda text: text or None)] = Field(
        json_schema_extra=_NO_ROWS
    )
    paging: Paging = Field("page", json_schema_extra=_NO_ROWS)


class PageNumbers(BaseModel):
    """How a page is asked for, after the organiser screen of 2016: Page=0 is the first."""

    model_config = _STRICT

    page_param: str = Field("page", min_length=1)
    size_param: str = Field("perPage", min_length=1)
    size: int = Field(100, ge=1, le=1000)
    first: int = Field(0, ge=0, le=1)


class Envelope(BaseModel):
    """Where an answer holds its records and their number; dotted, "" is the answer itself."""

    model_config = _STRICT

    paths: tuple[str, ...] = Field(
        ("", "Result", "Data", "Data.Items", "events", "Events", "Result.Items"), min_length=1
    )
    totals: tuple[str, ...] = Field(("Total", "TotalCount", "total"), json_schema_extra=_NO_ROWS)


class EventComboSettings(BaseSettings):
    """The accounts and the shape of the API, from whatever sources the core has merged.

    Attributes:
        username, password: of the one account, where there are no `tenants`.
        tenants: name -> account.
        slices: partitions of a stream that is read per event; each reads its share of events.
        calls_per_second: of one process; None is as fast as the service answers.
        http: patience and limits of the client.
        local_orders_before: orders from before that day hold local times, all others UTC.
        test_prefixes: a name that begins so, in any case, marks a record as test data.
        aliases: entity -> field -> more names under which the service may send it.
    """

    model_config = SettingsConfigDict(extra="forbid")

    base_url: BaseUrl = Field("https://www.eventcombo.com", json_schema_extra=_NO_ROWS)
    username: str | None = Field(None, min_length=1, repr=False, json_schema_extra=_NO_ROWS)
    password: SecretStr | None = Field(None, min_length=1)
    tenants: dict[Name, Account] = Field(default_factory=dict)
    token: Token = Token()
    events: EventList = EventList()
    ticket_types: PerEvent = PerEvent(path="/api/v2/Public/Event/{event_id}/Tickets")
    orders: PerEvent = PerEvent(path="/api/v2/Organizer/Order/List?eventId={event_id}")
    attendees: PerEvent = PerEvent(path="/api/v2/Organizer/Attendee/List?eventId={event_id}")
    promo_codes: PerEvent = PerEvent(path="/api/v2/Organizer/PromoCode/List?eventId={event_id}")
    paging: PageNumbers = Field(PageNumbers(), json_schema_extra=_NO_ROWS)
    envelope: Envelope = Envelope()
    default_timezone: Zone = "America/New_York"
    default_currency: Currency = "USD"
    slices: int = Field(4, ge=1, le=64, json_schema_extra=_NO_ROWS)
    calls_per_second: PositiveFloat | None = Field(None, json_schema_extra=_NO_ROWS)
    http: HttpSettings = Field(HttpSettings(read=60), json_schema_extra=_NO_ROWS)
    local_orders_before: date | None = None
    test_prefixes: tuple[str, ...] = ("ZZTEST",)
    aliases: Mapping[Entity, Mapping[str, tuple[str, ...]]] = Field(default_factory=dict)

    # The initialiser of BaseSettings reads the environment by itself; the core has merged all
    # sources already.
    if not TYPE_CHECKING:
        __init__ = BaseModel.__init__

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> EventComboSettings:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password are given together or not at all")
        if self.tenants and self.username is not None:
            raise ValueError("there are tenants, so username and password belong to each of them")
        return self

    @model_validator(mode="after")
    def _no_way_around_the_deny_list(self) -> EventComboSettings:
        for fields in self.aliases.values():
            for names in fields.values():
                if any(bare(name) in DENIED for name in names):
                    raise ValueError("an alias names a field that is never extracted")
        return self

    @property
    def accounts(self) -> Mapping[str, Account]:
        """Tenant -> account; the only account without a name is called `default`."""
        if self.username is None or self.password is None:
            return self.tenants
        return {DEFAULT_TENANT: Account(username=self.username, password=self.password)}

    def base_of(self, account: Account) -> str:
        """The base URL of an account."""
        return account.base_url or self.base_url

    def zone_of(self, account: Account) -> str:
        """The IANA zone of an account's events that name none."""
        return account.default_timezone or self.default_timezone

    def currency_of(self, account: Account) -> str:
        """The currency of an account: the API names none."""
        return account.default_currency or self.default_currency

    def rows_of(self, account: Account) -> dict[str, Any]:
        """What the rows of an account are made with; nothing of the other accounts."""
        return {
            "default_timezone": self.zone_of(account),
            "default_currency": self.currency_of(account),
            "envelope": self.envelope,
            "local_orders_before": self.local_orders_before,
            "test_prefixes": self.test_prefixes,
            "aliases": self.aliases,
        }
