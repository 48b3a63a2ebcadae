"""What an event is, and how it is said; `model.events` is the catalogue.

Log lines, observers, the ledger and `status` are views of events.

Whoever meets something says it once, with `tell`. Python's own logging carries it: in a worker to
its run, in the run to the log, to the observers and to the ledger. So code that knows nothing of
runs, such as the HTTP client of a plugin, can say what it meets.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal

CHANNEL: Final = "messy_migration.events"
"""The logger that carries events; the attribute `told` of its records is the `Event`."""

Severity = Literal["info", "warning", "error", "critical"]

_LEVELS: Final = {
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
_COMMON = ("run", "stream", "tenant", "batch", "at")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes:
        run, stream, tenant, batch: what it happened to; empty where it belongs to none.
        at: when, in UTC (ISO 8601).
        name: of its kind.
        severity: info, warning, error or critical.
        is_kept: the ledger keeps it; not where receipts or landings say the same.
        on_screen: a console shows it as a line, since no other output of a command tells it.
    """

    run: str = ""
    stream: str = ""
    tenant: str = ""
    batch: str = ""
    at: str = field(default_factory=_now)

    name: ClassVar[str]
    severity: ClassVar[Severity] = "info"
    is_kept: ClassVar[bool] = True
    on_screen: ClassVar[bool] = False

    @property
    def text(self) -> str:
        """It in one line for people; its name, where its facts say the rest."""
        return self.name

    @property
    def level(self) -> int:
        """Its severity as a level of Python's logging."""
        return _LEVELS[self.severity]

    def facts(self) -> dict[str, Any]:
        """The fields of its own kind that hold something; plain values."""
        own = {attribute.name: getattr(self, attribute.name) for attribute in fields(self)}
        return {
            name: value
            for name, value in own.items()
            if name not in _COMMON and value not in ("", (), None)
        }

    def as_dict(self) -> dict[str, Any]:
        """It for machines, as a log line and the ledger have it."""
        common = {name: getattr(self, name) for name in _COMMON if getattr(self, name)}
        return {"event": self.name, "severity": self.severity, **common, **self.facts()}


def tell(event: Event) -> None:
    """Say that something happened."""
    logging.getLogger(CHANNEL).log(event.level, "%s", event.text, extra={"told": event})
