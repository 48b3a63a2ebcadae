"""Settings as they once were, with the secrets and addresses of today."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from messy_migration.config.kept_settings import overlaid
from messy_migration.config.row_settings import counted


class Account(BaseModel):
    token: SecretStr
    currency: str = "EUR"
    size: int = Field(10, json_schema_extra={"rows": False})


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_: str = Field("public", alias="schema")
    words: dict[str, list[str]] = {}
    limit: int | None = Field(None, ge=1)
    accounts: dict[str, Account] = {}
    main: Account | None = None
    steps: list[Account] = []


def account(currency, token="then", size=10):
    return {"token": token, "currency": currency, "size": size}


THEN = {
    "schema": "old",
    "words": {"a": ["b"], "api_key": ["then"]},
    "accounts": {"one": account("NZD"), "gone": account("USD")},
    "main": account("USD"),
    "steps": [account("USD")],
}
TODAY = {
    "schema": "new",
    "limit": 5,
    "words": {"c": ["d"], "api_key": ["today"]},
    "accounts": {"one": account("EUR", "today", 20), "new": account("CHF", "today")},
    "main": account("EUR", "today", 20),
    "steps": [account("EUR", "today")],
}


def kept(values):
    return counted(Settings.model_validate(values))


def test_what_changes_rows_is_as_it_was_and_all_else_as_it_is():
    settings = Settings.model_validate(overlaid(Settings, TODAY, kept(THEN)))
    assert (settings.schema_, settings.limit) == ("old", None)
    assert settings.words == {"a": ["b"], "api_key": ["today"]}
    one, new = settings.accounts["one"], settings.accounts["new"]
    assert (one.currency, one.size, one.token.get_secret_value()) == ("NZD", 20, "today")
    assert (new.currency, set(settings.accounts)) == ("CHF", {"one", "new"})
    assert (settings.main.currency, settings.main.token.get_secret_value()) == ("USD", "today")
    assert settings.steps[0].currency == "USD"


@pytest.mark.parametrize("values", [THEN, TODAY, {}])
def test_what_was_kept_just_now_changes_nothing(values):
    again = Settings.model_validate(overlaid(Settings, values, kept(values)))
    assert again == Settings.model_validate(values)


def test_a_default_that_was_not_written_stays_unwritten():
    assert overlaid(Settings, {}, kept({})) == {}


def test_without_anything_kept_the_section_is_that_of_today():
    assert overlaid(Settings, TODAY, None) == TODAY
