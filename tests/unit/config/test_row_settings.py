"""Settings that change rows make another plan; the others do not."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path

import pytest
from pydantic import AnyUrl, BaseModel, Field, SecretStr

from messy_migration.config.row_settings import counted, differing, digest_of_rows


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


@pytest.mark.parametrize(
    "written",
    [
        lambda secret: {"words": ("a", secret)},
        lambda secret: {"by_name": {"limit": secret}},
        lambda secret: {"by_name": {secret: 1}},
        lambda secret: {"by_name": {"greeting": f"I say {secret} to all"}},
        lambda secret: {"token": secret},
        lambda secret: {"key": SecretStr(secret)},
        lambda secret: {"home": AnyUrl(f"https://{secret}.example")},
        lambda secret: {"folder": Path(secret)},
    ],
)
def test_no_secret_is_counted_wherever_it_stands(written):
    one, other = (
        SAME.model_copy(update=written(secret)) for secret in ("canary-4711", "rotated-1")
    )
    assert "canary" not in repr(counted(one, {"canary-4711"}))
    assert digest_of_rows(one, {"canary-4711"}) == digest_of_rows(other, {"rotated-1"})


def test_what_counts_is_plain_json():
    class Level(Enum):
        LOW = "low"

    class Many(BaseModel):
        level: Level = Level.LOW
        day: date = date(2026, 1, 2)
        pause: timedelta = timedelta(days=2)
        share: Decimal = Decimal("0.10")
        names: frozenset[str] = frozenset("ba")

    plain = counted(Many())
    assert plain == json.loads(json.dumps(plain))
    assert Many.model_validate(plain) == Many()


def test_the_names_of_what_differs_are_told_and_no_value():
    one = counted(SAME.model_copy(update={"by_name": {"limit": 1}}))
    other = counted(SAME.model_copy(update={"threshold": 6, "limits": Limits(lowest=1)}))
    assert list(differing(one, other)) == ["by_name.limit", "limits.lowest", "threshold"]


def test_no_settings_are_always_the_same():
    assert digest_of_rows(None) == digest_of_rows(None) != digest_of_rows(SAME)
