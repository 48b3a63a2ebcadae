"""What `migrate plugins info` says of a plugin's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AnyUrl, BaseModel, Field, SecretStr

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


class Rows(BaseModel):
    threshold: int = 1
    size: int = Field(1, json_schema_extra={"rows": False})
    home: AnyUrl | None = None
    folder: list[Path] = []
    api_key: str = ""
    inside: Shop = Shop(token="x")
    outside: Shop = Field(Shop(token="x"), json_schema_extra={"rows": False})


def test_it_is_told_which_settings_change_rows():
    counted = {setting.name for setting in settings_of("shop", Rows) if setting.changes_rows}
    assert counted == {"threshold", "inside", "inside.kind"}


def test_a_plugin_without_settings_has_none():
    assert settings_of("shop", None) == ()
