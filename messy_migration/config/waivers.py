"""Waivers: differences that were looked at and accepted, each with a name and a reason.

They stand in migrate.toml as `[[waivers]]`, are counted wherever they are needed, and appear in
the verdict's words and in the evidence. `--strict` accepts none.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from messy_migration.errors import ConfigurationError


class Waiver(BaseModel):
    """One entry of `[[waivers]]`.

    `key` (column -> value, as differences write it), `column` and `kind` say which differences of
    `table` it covers, at least one of them; those of more than one all have to hold. `until` is
    the last day on which it counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(min_length=1)
    table: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    key: dict[str, str | int] = {}
    column: str | None = None
    kind: Literal["missing", "extra", "changed", "orphan", "counter", "key"] | None = None
    until: date | None = None

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if not self.key and self.column is None and self.kind is None:
            raise ValueError("says neither key nor column nor kind")
        return self

    def has_expired(self, today: date) -> bool:
        """Its last day is over."""
        return self.until is not None and self.until < today


def read_waivers(written: Any, path: Path | None) -> tuple[Waiver, ...]:
    """The waivers of a configuration file.

    Raises:
        ConfigurationError: one is not usable, or two have one name.
    """
    where = str(path)
    if not isinstance(written, list) or not all(isinstance(entry, dict) for entry in written):
        raise ConfigurationError(
            "waivers are no tables", where, next="write [[waivers]] above each"
        )
    waivers = []
    for number, entry in enumerate(written, 1):
        try:
            waivers.append(Waiver.model_validate(entry))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            key = ".".join(str(part) for part in first["loc"]) or "it"
            name = entry.get("name") or f"number {number}"
            raise ConfigurationError(
                f"the waiver {name} is not usable", where, f"{key}: {first['msg']}"
            ) from None
    names = [waiver.name for waiver in waivers]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ConfigurationError(f"two waivers are named {doubled[0]!r}", where)
    return tuple(waivers)
