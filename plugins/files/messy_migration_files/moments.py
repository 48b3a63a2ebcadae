"""Dates and timestamps from text, by a declared pattern, with the calendar checked.

Neither Arrow's strptime (it turns 31 February into 3 March) nor Python's (it takes other
scripts' digits and any amount of blanks) is strict enough, so a pattern is compiled here: into
templates of fixed width, which read a whole column at once, and into an expression for the cells
that fit none. Both take the same texts for the same instants.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

Micros = NDArray[np.int64]
"""Microseconds since 1970."""

DAY = 86_400_000_000

_MONTHS = "january february march april may june july august september october november december"
_LONG = tuple(_MONTHS.split())
_SHORT = tuple(name[:3] for name in _LONG)
_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EXPRESSIONS = {
    "Y": r"(?P<Y>[0-9]{4})",
    "y": r"(?P<y>[0-9]{2})",
    "m": r"(?P<m>[0-9]{1,2})",
    "d": r"(?P<d>[0-9]{1,2})",
    "j": r"(?P<j>[0-9]{1,3})",
    "H": r"(?P<H>[0-9]{1,2})",
    "I": r"(?P<I>[0-9]{1,2})",
    "M": r"(?P<M>[0-9]{1,2})",
    "S": r"(?P<S>[0-9]{1,2})",
    "f": r"(?P<f>[0-9]{1,6})",
    "p": r"(?P<p>[AaPp][Mm])",
    "z": r"(?P<z>Z|[+-][0-9]{2}:?[0-9]{2})",
    "B": rf"(?P<B>(?i:{'|'.join(_LONG)}))",
    "b": rf"(?P<b>(?i:{'|'.join(_SHORT)}))",
    "A": rf"(?P<A>(?i:{'|'.join(_WEEK)}))",
    "a": rf"(?P<a>(?i:{'|'.join(name[:3] for name in _WEEK)}))",
}
_TIME = frozenset("HIMSfpz")
# What a directive may look like in a template: a width, or several.
_FIXED = {
    "Y": ("YYYY",),
    "m": ("mm",),
    "d": ("dd",),
    "H": ("HH",),
    "M": ("MM",),
    "S": ("SS",),
    "f": ("ffffff", "fff"),
    "z": ("Z", "±oo:ii", "±ooii"),
}
# What stands for itself in a template: what follows a NUL, and two characters of `%z`.
_LITERAL = frozenset("\0Z:")


@dataclass(frozen=True, slots=True)
class Read:
    """What became of the cells of a column.

    Attributes:
        local: microseconds as the clock in the text shows them.
        offset: microseconds that this clock is ahead of UTC.
        zoned: cells whose text says so itself.
        good: cells that were read at all.
    """

    local: Micros
    offset: Micros
    zoned: NDArray[np.bool_]
    good: NDArray[np.bool_]


@dataclass(frozen=True)
class Pattern:
    """A strptime pattern, compiled."""

    text: str

    @cached_property
    def expression(self) -> re.Pattern[str]:
        """What matches exactly the texts of this pattern."""
        return re.compile(
            "".join(
                _EXPRESSIONS[part] if is_directive else re.escape(part)
                for is_directive, part in _parts(self.text)
            )
        )

    @cached_property
    def templates(self) -> tuple[str, ...]:
        """Texts of fixed width, one letter per character; none if a directive has no width."""
        parts = _parts(self.text)
        choices: list[tuple[str, ...]] = []
        for is_directive, part in parts:
            if is_directive and part not in _FIXED:
                return ()
            # A literal is marked, so that it is not taken for a letter of a directive.
            choices.append(
                _FIXED[part] if is_directive else ("".join(f"\0{character}" for character in part),)
            )
        return tuple("".join(choice) for choice in product(*choices)) if self.text.isascii() else ()


def iso_patterns(kind: str, *, local: bool) -> tuple[Pattern, ...]:
    """ISO 8601 with seconds, for `date` or `timestamp`; `local` allows texts without offset."""
    if kind == "date":
        return (Pattern("%Y-%m-%d"),)
    zones = ("", "%z") if local else ("%z",)
    return tuple(
        Pattern(f"%Y-%m-%d{between}%H:%M:%S{fraction}{zone}")
        for zone, fraction, between in product(zones, ("", ".%f"), (" ", "T"))
    )


def check_pattern(text: str, kind: str, *, zoned: bool) -> tuple[str, str] | None:
    """Why a pattern is not usable for `date` or `timestamp`, and what to write; None if it is.

    Args:
        text: the pattern.
        kind: `date` or `timestamp`.
        zoned: whether a time zone is declared beside it.
    """
    try:
        parts = _parts(text)
    except ValueError as error:
        return str(error), f"the directives are {', '.join(f'%{name}' for name in _EXPRESSIONS)}"
    names = [part for is_directive, part in parts if is_directive]
    has = frozenset(names)
    day = "j" in has or ("d" in has and bool(has & {"m", "b", "B"}))
    problem: tuple[str, str] | None = None
    if len(has) < len(names):
        problem = "it holds a directive twice", "write every directive once"
    elif not has & {"Y", "y"} or not day:
        problem = "it gives no whole date", "it needs year, month and day, or year and %j"
    elif ("I" in has) != ("p" in has):
        problem = "%I and %p need each other", "write %H for 24 hours"
    elif kind == "date" and has & _TIME:
        problem = "the time of day would be lost", 'declare the type "timestamp"'
    elif kind == "timestamp" and "z" in has and zoned:
        problem = "the texts have an offset, and a timezone is declared", "take one of them out"
    elif kind == "timestamp" and "z" not in has and not zoned:
        problem = "a local time is no instant", 'add timezone = "Europe/London", or "UTC"'
    return problem


def read_cells(
    text: NDArray[np.uint8],
    offsets: Micros,
    valid: NDArray[np.bool_],
    patterns: tuple[Pattern, ...],
) -> Read:
    """Read the cells of a column.

    Args:
        text: the bytes of all cells.
        offsets: where each cell starts, and where the last one ends.
        valid: cells that are not null; the others are neither read nor good.
        patterns: any of them may fit; they exclude each other.
    """
    count = len(valid)
    read = Read(
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count, bool),
        np.zeros(count, bool),
    )
    lengths = np.diff(offsets)
    unread = np.flatnonzero(valid)
    for template in (one for pattern in patterns for one in pattern.templates):
        if not len(unread):
            break
        width = len(template) - template.count("\0")
        fit = unread[lengths[unread] == width]
        if len(fit):
            _read_template(text[offsets[fit][:, None] + np.arange(width)], template, fit, read)
            unread = unread[~read.good[unread]]
    if len(unread):
        _read_one_by_one(text, offsets, unread, patterns, read)
    return read


def _parts(pattern: str) -> list[tuple[bool, str]]:
    """(is a directive, its letter or the literal text), in order."""
    parts: list[tuple[bool, str]] = []
    for match in re.finditer(r"%(.?)|([^%]+)", pattern, re.DOTALL):
        name, literal = match[1], match[2]
        if literal is not None:
            parts.append((False, literal))
        elif name == "%":
            parts.append((False, "%"))
        elif name in _EXPRESSIONS:
            parts.append((True, name))
        else:
            raise ValueError(f"the directive %{name} is not supported")
    return parts


def _read_template(cells: NDArray[np.uint8], template: str, rows: Micros, read: Read) -> None:
    """Read cells of one width into the places `rows`."""
    fields: dict[str, Micros] = {}
    letters = re.findall(r"\0?.", template, re.DOTALL)
    good = _has_literals(cells, letters)
    if not good.any():
        return  # most often all of a column has one form, and several have its width
    sign = np.ones(len(cells), np.int64)
    for at, letter in enumerate(letters):
        column = cells[:, at]
        if letter == "±":
            good &= (column == ord("+")) | (column == ord("-"))
            sign[column == ord("-")] = -1
        elif letter[0] not in _LITERAL:
            digit = column - np.uint8(ord("0"))
            good &= digit <= 9
            fields[letter] = fields.get(letter, np.zeros(len(cells), np.int64)) * 10 + digit
    if "f" in fields:
        fields["f"] *= 10 ** (6 - template.count("f"))
    day, right = _days(fields)
    good &= right
    seconds = np.zeros(len(cells), np.int64)
    for name, most, size in (("H", 23, 3600), ("M", 59, 60), ("S", 59, 1)):
        if name in fields:
            good &= fields[name] <= most
            seconds += fields[name] * size
    zoned = "Z" in template.replace("\0Z", "") or "±" in template
    offset = np.zeros(len(cells), np.int64)
    if "o" in fields:
        good &= (fields["o"] <= 23) & (fields["i"] <= 59)
        offset = sign * (fields["o"] * 60 + fields["i"]) * 60_000_000
    local = day * DAY + seconds * 1_000_000 + fields.get("f", 0)
    # Cells that do not fit are left as they are: another template may fit them.
    rows = rows[good]
    read.local[rows], read.offset[rows] = local[good], offset[good]
    read.zoned[rows], read.good[rows] = zoned, True


def _has_literals(cells: NDArray[np.uint8], letters: list[str]) -> NDArray[np.bool_]:
    """Cells that have every character which is the same in all texts of a template."""
    good = np.ones(len(cells), bool)
    for at, letter in enumerate(letters):
        if letter[0] in _LITERAL:
            good &= cells[:, at] == ord(letter[-1])
    return good


def _days(fields: dict[str, Micros]) -> tuple[Micros, NDArray[np.bool_]]:
    """Days since 1970, and whether the calendar has them."""
    year, month, day = fields["Y"], fields["m"], fields["d"]
    good = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0)
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    behind = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    good &= day <= behind - first
    return first + day - 1, good


def _read_one_by_one(
    text: NDArray[np.uint8],
    offsets: Micros,
    rows: Micros,
    patterns: tuple[Pattern, ...],
    read: Read,
) -> None:
    # A column of moments repeats itself: reading every text once is most of the speed.
    moments: dict[bytes, tuple[int, int, bool] | None] = {}
    for row in rows.tolist():
        cell = text[offsets[row] : offsets[row + 1]].tobytes()
        if cell not in moments:
            moments[cell] = _read_one(cell, patterns)
        moment = moments[cell]
        read.good[row] = moment is not None
        if moment is not None:
            read.local[row], read.offset[row], read.zoned[row] = moment


def _read_one(cell: bytes, patterns: tuple[Pattern, ...]) -> tuple[int, int, bool] | None:
    text = cell.decode("utf-8")
    for pattern in patterns:
        match = pattern.expression.fullmatch(text)
        if match is not None:
            return _moment({name: part for name, part in match.groupdict().items() if part})
    return None


def _moment(fields: dict[str, str]) -> tuple[int, int, bool] | None:
    try:
        day = _date(fields)
    except (ValueError, OverflowError):
        return None
    hour, minute, second = (int(fields.get(name, "0")) for name in "HMS")
    if "I" in fields:
        twelve = int(fields["I"])
        if not 1 <= twelve <= 12:
            return None
        hour = twelve % 12 + (12 if fields["p"].lower() == "pm" else 0)
    offset = 0
    if fields.get("z", "Z") != "Z":
        digits = fields["z"][1:].replace(":", "")
        hours, minutes = int(digits[:2]), int(digits[2:])
        if hours > 23 or minutes > 59:
            return None
        offset = (hours * 60 + minutes) * 60_000_000 * (-1 if fields["z"][0] == "-" else 1)
    if hour > 23 or minute > 59 or second > 59:
        return None
    micros = int(fields.get("f", "0").ljust(6, "0"))
    seconds = hour * 3600 + minute * 60 + second
    days = day.toordinal() - date(1970, 1, 1).toordinal()
    return days * DAY + seconds * 1_000_000 + micros, offset, "z" in fields


def _date(fields: dict[str, str]) -> date:
    if "Y" in fields:
        year = int(fields["Y"])
    else:
        # The pivot of POSIX; a pattern with %y declares it.
        year = int(fields["y"]) + (1900 if int(fields["y"]) >= 69 else 2000)
    if "j" in fields:
        day = date(year, 1, 1) + timedelta(days=int(fields["j"]) - 1)
        if day.year != year:
            raise ValueError("no such day of the year")
    else:
        if "m" in fields:
            month = int(fields["m"])
        elif "b" in fields:
            month = _SHORT.index(fields["b"].lower()) + 1
        else:
            month = _LONG.index(fields["B"].lower()) + 1
        day = date(year, month, int(fields["d"]))
    named = fields.get("A") or fields.get("a")
    if named and not _WEEK[day.weekday()].startswith(named.lower()):
        raise ValueError("another day of the week")
    return day
