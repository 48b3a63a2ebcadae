"""The client kit for plugins whose source is a web API: read only, exact, patient, discreet."""

from __future__ import annotations

from messy_migration.http.auth import Auth, Bearer, PasswordGrant
from messy_migration.http.client import Client
from messy_migration.http.exact import dump
from messy_migration.http.failures import SourceRefused, SourceUnavailable
from messy_migration.http.pager import Answer
from messy_migration.http.paging import Page, walk
from messy_migration.http.settings import HttpSettings

__all__ = [
    "Answer",
    "Auth",
    "Bearer",
    "Client",
    "HttpSettings",
    "Page",
    "PasswordGrant",
    "SourceRefused",
    "SourceUnavailable",
    "dump",
    "walk",
]
