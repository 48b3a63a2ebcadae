"""What `migrate plugins info` says of a plugin's settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from messy_migration.config.fields import settings_of


class Shop(BaseModel):
    token: SecretStr
    kind: Literal["new", "old"] = "new"


class Settings(BaseModel):
    shops: dict[Annotated[str, Field(max_length=9)], Shop] | None = None
    schema_: str = Field(alias="schema", description="a file")
    parts: list[int] = [1]
    nested: Shop = Shop(token="x")


def test_every_field_is_told_with_its_key_its_type_and_its_variable():
    found = {
        one.name: (one.type, one.default, one.variable, one.is_secret, one.meaning)
        for one in settings_of("my-shop", Settings)
    }
    assert found == {
        "shops": ("dict[str, Shop] | None", "None", "MY_SHOP__SHOPS", False, ""),
        "shops.NAME.token": ("SecretStr", None, "MY_SHOP__SHOPS__NAME__TOKEN", True, ""),
        "shops.NAME.kind": ("'new' | 'old'", "new", "MY_SHOP__SHOPS__NAME__KIND", False, ""),
        "schema": ("str", None, "MY_SHOP__SCHEMA", False, "a file"),
        "parts": ("list[int]", "[1]", "MY_SHOP__PARTS", False, ""),
        "nested": ("Shop", "its own", "MY_SHOP__NESTED", False, ""),
        "nested.token": ("SecretStr", None, "MY_SHOP__NESTED__TOKEN", True, ""),
        "nested.kind": ("'new' | 'old'", "new", "MY_SHOP__NESTED__KIND", False, ""),
    }


def test_a_plugin_without_settings_has_none():
    assert settings_of("shop", None) == ()
