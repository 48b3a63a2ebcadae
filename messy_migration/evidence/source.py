"""What the sources themselves say of what was extracted, in words: on screen and on the page."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from messy_migration.evidence.notation import label

_NAMED = 4

Source = Mapping[str, Any]
"""One stream as `--json` and the evidence have it."""


def proven(sources: Iterable[Source]) -> list[str]:
    """Write one line for each claim, with all streams that it is true of."""
    groups: dict[str, list[Source]] = defaultdict(list)
    for entry in sources:
        if entry["verdict"] == "MATCH":
            groups[_claim(entry)].append(entry)
    return [f"{claim}: {_size(items)}" for claim, items in groups.items()]


def unproven(sources: Iterable[Source]) -> list[str]:
    """A line for each stream that differs, and for each reason for which others cannot be told."""
    lines = []
    reasons: dict[str, list[str]] = defaultdict(list)
    for entry in sources:
        name = label(entry["stream"], entry["tenant"])
        parts = entry["partitions"]
        differing = [one for one in parts if one["verdict"] == "MISMATCH"]
        if differing:
            more = f" and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
            named = ", ".join(_part(one) for one in differing[:_NAMED])
            lines.append(f"source \u2260 extracted: {name}: {named}{more}")
        for note, count in Counter(
            one["note"] for one in parts if one["verdict"] == "UNKNOWN"
        ).items():
            reasons[note].append(f"{name} ({count:,} of {_counted(len(parts), 'partition')})")
    lines += [
        f"not held against the source: {_names(names)}: {note}" for note, names in reasons.items()
    ]
    return lines


def _claim(entry: Source) -> str:
    if entry["is_through"]:
        return "source = sent = stored"
    return "source = extracted, sent = stored" if entry["is_stored"] else "source = extracted"


def _size(items: Sequence[Source]) -> str:
    parts = sum(len(entry["partitions"]) for entry in items)
    rows = sum(entry["rows"] for entry in items)
    names = _names([label(entry["stream"], entry["tenant"]) for entry in items])
    return f"{_counted(rows, 'row')} in {_counted(parts, 'partition')} of {names}"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _part(one: Mapping[str, Any]) -> str:
    if one["source_rows"] == one["read_rows"]:
        return f"{one['partition']} ({_counted(one['read_rows'], 'row')}, not all of them alike)"
    return (
        f"{one['partition']} ({_counted(one['source_rows'], 'row')} at the source,"
        f" {one['read_rows']:,} extracted)"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
