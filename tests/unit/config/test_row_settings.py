"""Settings that change rows make another plan; the others do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import AnyUrl, BaseModel, Field, SecretStr

from messy_migration.config.row_settings import digest_of_rows


class Limits(BaseModel):
    lowest: int = 0
    page_size: int = Field(default=10, json_schema_extra={"rows": False})


class Settings(BaseModel):
    threshold: int = 5
    words: tuple[str, ...] = ("a",)
    limits: Limits = Limits()
    by_name: dict[str, int | str] = {}
    token: str = "one"
    key: SecretStr = SecretStr("one")
    home: AnyUrl = AnyUrl("https://one.example")
    folder: Path = Path("one")


SAME = Settings()


@pytest.mark.parametrize(
    "changed",
    [
        {"token": "two"},
        {"key": SecretStr("two")},
        {"home": AnyUrl("https://two.example")},
        {"folder": Path("two")},
        {"limits": Limits(page_size=20)},
        {"by_name": {"api_key": "two"}},
    ],
)
def test_what_changes_no_row_changes_no_plan(changed):
    assert digest_of_rows(SAME.model_copy(update=changed)) == digest_of_rows(SAME)


@pytest.mark.parametrize(
    "changed",
    [
        {"threshold": 6},
        {"words": ("a", "b")},
        {"words": ("b",)},
        {"limits": Limits(lowest=1)},
        {"by_name": {"limit": 1}},
    ],
)
def test_what_changes_rows_changes_the_plan(changed):
    assert digest_of_rows(SAME.model_copy(update=changed)) != digest_of_rows(SAME)


def test_no_settings_are_always_the_same():
    assert digest_of_rows(None) == digest_of_rows(None) != digest_of_rows(SAME)
