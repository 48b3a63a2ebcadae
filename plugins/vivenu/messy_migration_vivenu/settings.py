"""The section `[vivenu]` of a profile: one entry per account, each with a key of its own."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings, SettingsConfigDict

from messy_migration.http import HttpSettings
from messy_migration_ticketing import Bad, zone

_NO_ROWS: JsonDict = {"rows": False}

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=63)]


class Tenant(BaseModel):
    """One account.

    Attributes:
        token: the key of the seller or the organisation.
        base_url: of the API, `/api` included.
        top: records a page; halved when the source cannot keep up, down to `floor`.
        rate: calls per second of one process, or None for no limit of ours.
        begin: the first window holds everything before this day.
        window_days: length of the others.
        lag: seconds that a window ends before now, so that late writes cannot be missed.
        currency: of amounts that come without one.
        timezone: IANA name, of events that come without one.
        test_prefixes: names that begin so, in any case, are test data.
        test_shops: ids of undershops that sell test data only.
        http: patience and limits of the client.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: SecretStr = Field(min_length=1)
    base_url: str = Field("https://vivenu.com/api", json_schema_extra=_NO_ROWS)
    top: int = Field(500, ge=1, le=1000, json_schema_extra=_NO_ROWS)
    floor: int = Field(10, ge=1, le=1000, json_schema_extra=_NO_ROWS)
    rate: float | None = Field(None, gt=0, json_schema_extra=_NO_ROWS)
    begin: date = Field(date(2016, 1, 1), json_schema_extra=_NO_ROWS)
    window_days: int = Field(182, ge=1, le=36_500, json_schema_extra=_NO_ROWS)
    lag: int = Field(120, ge=0, le=86_400, json_schema_extra=_NO_ROWS)
    currency: str = Field("EUR", pattern="^[A-Z]{3}$")
    timezone: str = "UTC"
    test_prefixes: tuple[str, ...] = ("ZZTEST",)
    test_shops: tuple[str, ...] = ()
    http: HttpSettings = Field(HttpSettings(), json_schema_extra=_NO_ROWS)

    @field_validator("base_url")
    @classmethod
    def _is_plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is no http or https URL")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("may hold a scheme, a host, a port and a path only")
        return url.rstrip("/")

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        try:
            zone_read = zone(name, "timezone")
        except Bad:
            zone_read = None
        if zone_read is None:
            raise ValueError("is no name of an IANA time zone")
        return zone_read

    @field_validator("test_prefixes", "test_shops")
    @classmethod
    def _has_no_blank(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if not all(word.strip() for word in words):
            raise ValueError("holds an empty text, which would fit everything")
        return words

    @property
    def first_bound(self) -> datetime:
        """`begin` as an instant."""
        return datetime(self.begin.year, self.begin.month, self.begin.day, tzinfo=UTC)


class VivenuSettings(BaseSettings):
    """The accounts by name, from whatever sources the core has merged."""

    model_config = SettingsConfigDict(extra="forbid")

    tenants: dict[Name, Tenant] = Field(min_length=1)

    # The initialiser of BaseSettings reads the environment; the core has merged all sources
    # already.
    if not TYPE_CHECKING:
        __init__ = BaseModel.__init__
