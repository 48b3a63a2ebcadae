"""The endpoints: which parameters each takes, and what they leave of a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Literal

from messy_migration_vivenu.sandbox.values import Record, digits, millis_of

Kind = Literal["text", "words", "list", "part", "flag", "since", "until", "instants", "numbers"]
Match = Callable[[Record], bool]

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "$gt": lambda value, bound: value > bound,
        "$gte": lambda value, bound: value >= bound,
        "$lt": lambda value, bound: value < bound,
        "$lte": lambda value, bound: value <= bound,
        "$eq": lambda value, bound: value == bound,
        "$ne": lambda value, bound: value != bound,
    }
)
MAX_TOP = 1000
DEFAULT_TOP = 25


@dataclass(frozen=True, slots=True)
class Filter:
    """One query parameter that narrows a list.

    Attributes:
        kind: `text` equals; `words` equals one of a comma list; `list` the field is or holds one
            of the values; `part` is contained, in any case; `flag` true or false; `since` and
            `until` bound an instant; `instants` and `numbers` are ranges such as `x[$gte]`.
        path: of the field in the record, with dots.
        choices: the only values allowed.
    """

    kind: Kind
    path: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """A list endpoint.

    Attributes:
        collection: what it lists.
        envelope: the name of its array; empty if the answer is the bare array.
        filters: parameter -> what it does.
        is_sorted: it takes `sortDir`.
    """

    collection: str
    envelope: str
    filters: Mapping[str, Filter]
    is_sorted: bool = False


_UPDATED = Filter("instants", "updatedAt")

LISTINGS: Mapping[str, Listing] = MappingProxyType(
    {
        "/api/events": Listing(
            "events",
            "rows",
            {
                "name": Filter("part", "name"),
                "start": Filter("instants", "start"),
                "end": Filter("instants", "end"),
                "rootId": Filter("text", "rootId"),
                "type": Filter("list", "eventType", ("SINGLE", "GROUP", "RECURRENCE", "ROOT")),
                "sellerId": Filter("text", "sellerId"),
                "groupEventId": Filter("text", "groupEventId"),
                "salesChannelId": Filter("text", "salesChannelId"),
                "childEvents": Filter("list", "childEvents"),
                "subscriptionPlanId": Filter("text", "subscriptionPlanId"),
                "updatedAt": _UPDATED,
                "createdAt": Filter("instants", "createdAt"),
            },
            is_sorted=True,
        ),
        "/api/tickets": Listing(
            "tickets",
            "rows",
            {
                "name": Filter("part", "name"),
                "barcode": Filter("text", "barcode"),
                "start": Filter("since", "createdAt"),
                "end": Filter("until", "createdAt"),
                "status": Filter("words", "status"),
                "type": Filter("text", "type", ("SINGLE", "MULTI")),
                "deliveryType": Filter("text", "deliveryType"),
                "event": Filter("words", "eventId"),
                "statusId": Filter("text", "seatingInfo.statusId"),
                "gaName": Filter("text", "seatingInfo.name"),
                "sectionName": Filter("text", "seatingInfo.sectionName"),
                "groupName": Filter("text", "seatingInfo.groupName"),
                "rowName": Filter("text", "seatingInfo.rowName"),
                "seatName": Filter("text", "seatingInfo.seatName"),
                "customerId": Filter("text", "customerId"),
                "purchaseIntentId": Filter("text", "purchaseIntentId"),
                "checkoutId": Filter("text", "checkoutId"),
                "subscriptionId": Filter("text", "subscriptionId"),
                "updatedAt": _UPDATED,
                "batch": Filter("text", "batch"),
                "batchCounter": Filter("numbers", "batchCounter"),
                "packageId": Filter("text", "packageInfo.packageId"),
            },
        ),
        "/api/transactions": Listing(
            "orders",
            "docs",
            {
                "id": Filter("text", "_id"),
                "name": Filter("part", "name"),
                "email": Filter("text", "email"),
                "coupon": Filter("list", "appliedCoupons._id"),
                "start": Filter("since", "createdAt"),
                "end": Filter("until", "createdAt"),
                "status": Filter("words", "status"),
                "paymentStatus": Filter("words", "paymentStatus"),
                "posPaymentMethods": Filter("words", "posInfo.paymentMethod"),
                "event": Filter("words", "eventId"),
                "customer": Filter("text", "customerId"),
                "subscriptionId": Filter("text", "subscriptionId"),
                "updatedAt": _UPDATED,
                "psp": Filter("text", "psp"),
            },
        ),
        "/api/customers/rich": Listing(
            "customers",
            "docs",
            {
                "name": Filter("part", "name"),
                "email": Filter("text", "primaryEmail"),
                "company": Filter("part", "company"),
                "tags": Filter("list", "tags"),
                "updatedAt": _UPDATED,
            },
        ),
        "/api/coupon/rich": Listing(
            "coupons",
            "rows",
            {
                "name": Filter("part", "name"),
                "code": Filter("text", "code"),
                "eventId": Filter("list", "allowedEvents"),
                "couponSeriesId": Filter("text", "couponSeriesId"),
                "active": Filter("flag", "active"),
            },
        ),
        "/api/coupon/series": Listing("series", "", {"name": Filter("part", "name")}),
    }
)
"""Path -> what it lists; those that take `updatedAt` can be read in windows."""

SINGLES: Mapping[str, str] = MappingProxyType(
    {
        "/api/events/": "events",
        "/api/tickets/": "tickets",
        "/api/transactions/": "orders",
        "/api/customers/": "customers",
    }
)
"""Path before an id -> the collection in which it is looked for."""


class Refused(Exception):
    """The source would not answer this; `status` is the code it would give."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Query:
    """A checked query.

    Attributes:
        top, skip: as asked for, or the defaults.
        oldest_first: what `sortDir` asks for, if it is there.
        matches: what a record has to fulfil.
        window: the bounds of `updatedAt` in milliseconds, from and below.
    """

    top: int
    skip: int
    oldest_first: bool | None
    matches: tuple[Match, ...]
    window: tuple[tuple[str, int], ...]


def read_query(listing: Listing, pairs: Sequence[tuple[str, str]], *, strict: bool) -> Query:
    """Check every parameter of a query.

    Raises:
        Refused: 400 for a parameter that is unknown (if strict), doubled or malformed.
    """
    top, skip, oldest_first = DEFAULT_TOP, 0, None
    matches: list[Match] = []
    window: list[tuple[str, int]] = []
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name.removesuffix("[]"), []).append(value)
    for name, texts in values.items():
        base, _, comparison = name.partition("[")
        rule = listing.filters.get(base)
        if len(texts) > 1 and (rule is None or rule.kind != "list"):
            raise Refused(400, f'"{name}" must be given once')
        if name == "top":
            top = _whole(name, texts[0], 1, MAX_TOP)
        elif name == "skip":
            skip = _whole(name, texts[0], 0, 1 << 31)
        elif name == "sortDir" and listing.is_sorted:
            oldest_first = _choice(name, texts[0], ("1", "-1")) == "1"
        elif rule is None:
            if strict:
                raise Refused(400, f'"{name}" is not allowed')
        elif rule.kind == "instants" and rule.path == "updatedAt":
            window.append((_comparison(name, comparison), _instant(name, texts[0])))
        else:
            matches.append(_match(rule, name, comparison, texts))
    return Query(top, skip, oldest_first, tuple(matches), tuple(window))


def _match(rule: Filter, name: str, comparison: str, texts: list[str]) -> Match:
    if rule.kind in {"instants", "numbers"}:
        compare = COMPARISONS[_comparison(name, comparison)]
        read = _instant if rule.kind == "instants" else _decimal
        return _compared(rule, compare, read(name, texts[0]))
    if comparison:
        raise Refused(400, f'"{name}" is not allowed')
    if rule.kind in {"since", "until"}:
        compare = COMPARISONS["$gte" if rule.kind == "since" else "$lte"]
        return _compared(rule, compare, _instant(name, texts[0]))
    if rule.kind == "flag":
        flag = _choice(name, texts[0], ("true", "false")) == "true"
        return lambda record: flag in values_at(record, rule.path)
    if rule.kind == "part":
        text = texts[0].lower()
        return lambda record: any(text in str(v).lower() for v in values_at(record, rule.path))
    several = set(texts[0].split(",") if rule.kind == "words" else texts)
    for value in several if rule.choices else ():
        _choice(name, value, rule.choices)
    return lambda record: not several.isdisjoint(map(str, values_at(record, rule.path)))


def _compared(rule: Filter, compare: Callable[[Any, Any], bool], bound: object) -> Match:
    def matches(record: Record) -> bool:
        for value in values_at(record, rule.path):
            try:
                number = Decimal(digits(value)) if rule.kind == "numbers" else millis_of(str(value))
            except (ValueError, InvalidOperation):
                continue
            if compare(number, bound):
                return True
        return False

    return matches


def values_at(record: Record, path: str) -> list[Any]:
    """The values that a dotted path leads to, through lists too; none if it leads nowhere."""
    values: list[Any] = [record]
    for name in path.split("."):
        values = [entry.get(name) for entry in values if isinstance(entry, dict)]
        values = [
            one for entry in values for one in (entry if isinstance(entry, list) else [entry])
        ]
    return [entry for entry in values if entry is not None]


def _comparison(name: str, rest: str) -> str:
    word = rest.removesuffix("]")
    if not rest.endswith("]") or word not in COMPARISONS:
        raise Refused(400, f'"{name}" is not allowed')
    return word


def _whole(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        raise Refused(400, f'"{name}" must be a whole number from {least} to {most}')
    return int(text)


def _choice(name: str, text: str, choices: Sequence[str]) -> str:
    if text not in choices:
        raise Refused(400, f'"{name}" must be one of {", ".join(choices)}')
    return text


def _instant(name: str, text: str) -> int:
    try:
        return millis_of(text)
    except ValueError:
        raise Refused(400, f'"{name}" must be an ISO 8601 date') from None


def _decimal(name: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Refused(400, f'"{name}" must be a number') from None
