"""What is true of the sandbox: counted while its data is made, not by reading it back."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

STREAMS = ("events", "ticket_types", "promo_codes", "orders", "attendees")


class Truth:
    """Collects counts, rows, references and sums; `manifest` is what came together."""

    def __init__(self) -> None:
        self._extracted: Counter[str] = Counter()
        self._quarantined: dict[str, Counter[str]] = defaultdict(Counter)
        self._filtered: dict[str, Counter[str]] = defaultdict(Counter)
        self._rows: dict[str, set[str]] = defaultdict(set)
        self._pointed: dict[str, set[str]] = defaultdict(set)
        self._money: dict[str, Decimal] = defaultdict(Decimal)
        self._warnings: Counter[str] = Counter()
        self._cases: Counter[str] = Counter()

    def served(self, stream: str, records: int = 1) -> None:
        """So many records are in the lists of a stream."""
        self._extracted[stream] += records

    def bad(self, stream: str, rule: str) -> None:
        """One of the served records belongs in quarantine."""
        self._quarantined[stream][rule] += 1

    def repeated(self, stream: str) -> None:
        """One of the served records repeats another one."""
        self._filtered[stream]["core.duplicate"] += 1

    def row(self, table: str, key: object, **money: Decimal) -> None:
        """A row that has to arrive, with the amounts that are summed."""
        self._rows[table].add(str(key))
        for column, amount in money.items():
            self._money[f"{table}.{column}"] += amount

    def points(self, table: str, key: object) -> None:
        """Some row that has to arrive points at a row of the table."""
        self._pointed[table].add(str(key))

    def warning(self, rule: str) -> None:
        """A record that arrives, with a warning."""
        self._warnings[f"eventcombo.{rule}"] += 1

    def mess(self, *cases: str) -> None:
        """A case of the catalogue of mess occurs once more."""
        self._cases.update(cases)

    def manifest(self) -> dict[str, Any]:
        """All of it as plain values; amounts as text with four decimal places."""
        stubs = {
            table: sorted(keys - self._rows[table]) for table, keys in sorted(self._pointed.items())
        }
        return {
            "streams": {
                f"eventcombo.{stream}": {
                    "extracted": self._extracted[stream],
                    "quarantined": dict(sorted(self._quarantined[stream].items())),
                    "filtered": dict(sorted(self._filtered[stream].items())),
                }
                for stream in STREAMS
            },
            "tables": {table: len(keys) for table, keys in sorted(self._rows.items())},
            "stubs": {table: keys for table, keys in stubs.items() if keys},
            "money": {name: f"{total:.4f}" for name, total in sorted(self._money.items())},
            "warnings": dict(sorted(self._warnings.items())),
            "cases": dict(sorted(self._cases.items())),
        }
