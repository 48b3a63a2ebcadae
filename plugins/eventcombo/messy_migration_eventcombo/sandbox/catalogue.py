"""Eight events with their ticket types and promo codes, each with a mess of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from messy_migration_eventcombo.sandbox.truth import Truth

DELETED_PARENT = 30_999
_MIN = "0001-01-01T00:00:00"
_OWNER = "5f0c2f9e-6f35-4a1c-9c54-0d6f0a3b7c11"


@dataclass(frozen=True, slots=True)
class Show:
    """An event as it really is; the record says it in the service's words.

    Attributes:
        share: of all attendees, in percent.
        clock: the zone of the local text, which is not always the one that the record names.
    """

    id: int
    title: str
    share: int
    zone_id: str | None
    clock: str
    starts: datetime
    status: str = "Live"
    cancel: str | None = "N"
    parent: int = 0
    multiple: str | None = "N"
    online: bool = False
    utc: bool = True
    ends: bool = True
    privacy: str = "Public"


def _at(month: int, day: int, hour: int) -> datetime:
    return datetime(2026, month, day, hour, 30, tzinfo=UTC)


SHOWS = (
    Show(31_001, "Harbour Lights - Opening Night", 36, "31", "America/New_York", _at(5, 14, 23)),
    # An earlier migration set Indiana on everything; the text is Chicago's.
    Show(31_002, "Lakeside Jazz", 18, "85", "America/Chicago", _at(7, 3, 0)),
    Show(31_003, "Winter Gala", 10, " 31 ", "America/New_York", _at(1, 10, 1), cancel="Y   "),
    Show(31_004, "Garden Tours", 8, "65", "America/Los_Angeles", _at(6, 1, 17), multiple="y"),
    Show(
        31_005,
        "Garden Tour, June 2",
        8,
        "65",
        "America/Los_Angeles",
        _at(6, 2, 17),
        parent=DELETED_PARENT,
    ),
    Show(
        31_006, "Étude No. 7", 8, "95", "Europe/Berlin", _at(9, 20, 18), status="Save", ends=False
    ),
    Show(
        31_007,
        "Farmers' Market",
        6,
        None,
        "America/New_York",
        _at(8, 8, 13),
        utc=False,
        cancel=None,
    ),
    Show(
        31_008,
        "ZZTEST online check",
        6,
        "87",
        "UTC",
        _at(3, 3, 15),
        status="EXPIRED",
        online=True,
        privacy="private",
    ),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A ticket type, with what it costs and who pays the fees (0 the buyer, 1 the organiser)."""

    id: int
    event: int
    name: str
    kind: int
    price: Decimal
    ec_fee: Decimal = Decimal(0)
    merchant_fee: Decimal = Decimal(0)
    customer_fee: Decimal = Decimal(0)
    fee_type: int = 0

    @property
    def unit(self) -> Decimal:
        """What one ticket adds to a line."""
        if self.kind == 1:
            return Decimal(0)
        if self.kind == 3:
            return self.price
        fees = self.ec_fee + self.merchant_fee if self.fee_type == 0 else Decimal(0)
        return self.price + self.customer_fee + fees


def event_record(show: Show, truth: Truth) -> dict[str, Any]:
    """One event as the list has it."""
    local = show.starts.astimezone(ZoneInfo(show.clock))
    until = local + timedelta(hours=3)
    truth.served("events")
    truth.row("events", show.id)
    if show.parent:
        truth.points("events", show.parent)
        truth.mess("M13")
    if show.zone_id == "85":
        truth.warning("times_differ")
        truth.warning("times_differ")
        truth.mess("M1")
    venue = {
        "EventVenueID": show.id * 10,
        "EventStartDate": f"{local:%m/%d/%Y}",
        "EventStartTime": f"{local:%I:%M %p}",
        "EventEndDate": f"{until:%m/%d/%Y}" if show.ends else "01/01/0001",
        "EventEndTime": f"{until:%I:%M %p}" if show.ends else "12:00 AM",
        "E_Startdate": f"{show.starts:%Y-%m-%dT%H:%M:%S}" if show.utc else None,
        "E_Enddate": _end(show),
    }
    record = {
        "EventID": show.id,
        "EventTitle": show.title,
        "UserID": f"{_OWNER:<128}",
        "EventTypeID": 3,
        "EventPrivacy": show.privacy,
        "EventStatus": show.status,
        "EventCancel": show.cancel,
        "IsMultipleEvent": show.multiple,
        "Parent_EventID": show.parent,
        "TimeZone": show.zone_id,
        "AddressStatus": "Online" if show.online else "Single",
        "EventDescription": f"<p>{show.title} &amp; friends</p>",
        "Private_Password": "DENIED",
        "CreateDate": "2025-10-01T09:00:00",
        "ModifyDate": f"2026-01-{show.id % 28 + 1:02d}T10:15:00.123",
        "EventVenue": venue,
        "Address": None if show.online else _address(show.id),
    }
    if show.multiple == "y":
        record["MultipleEvent"] = {"Frequency": "Weekly", "WeeklyDay": "1,3", "MonthlyDay": None}
    return record


def kinds_of(show: Show) -> Sequence[Kind]:
    """The ticket types of an event."""
    first = show.id * 10
    return (
        Kind(
            first + 1,
            show.id,
            "General admission",
            2,
            Decimal("25.00"),
            Decimal("1.49"),
            Decimal("0.75"),
            Decimal("0.50"),
        ),
        Kind(
            first + 2,
            show.id,
            "Balcony  ",
            2,
            Decimal("59.90"),
            Decimal("2.99"),
            Decimal("1.80"),
            fee_type=1,
        ),
        Kind(first + 3, show.id, "Members (free)", 1, Decimal(0)),
        Kind(first + 4, show.id, "Pay what you like", 3, Decimal("10.00")),
        Kind(first + 5, show.id, "Early bird", 2, Decimal("19.99"), Decimal("1.00")),
    )


def kind_record(kind: Kind, chance: Random, truth: Truth) -> dict[str, Any]:
    """One ticket type as the list has it; its counters are wrong on purpose."""
    truth.served("ticket_types")
    truth.row("ticket_types", kind.id, price=kind.price)
    truth.points("events", kind.event)
    truth.mess("M6", "M17")
    return {
        "T_Id": kind.id,
        "E_Id": kind.event,
        "T_name": kind.name,
        "Qty_Available": 5_000,
        "Price": kind.price,
        "TicketTypeID": kind.kind,
        "EC_Fee": kind.ec_fee,
        "T_EcAmount": kind.merchant_fee,
        "Customer_Fee": kind.customer_fee,
        "Fees_Type": str(kind.fee_type),
        "T_Discount": None,
        "Sale_Start_Date": "2025-11-01T00:00:00",
        "Sale_Start_Time": "09:00 AM",
        "Min_T_Qty": 1,
        "Max_T_Qty": 10,
        "Hide_Ticket": "0",
        "T_Disable": "1" if kind.name == "Early bird" else "0",
        "T_Mark_SoldOut": chance.choice(["0", None]),
        "T_Sold_Qty": chance.randrange(0, 900),
    }


def promo_records(
    show: Show, chance: Random, truth: Truth
) -> tuple[list[dict[str, Any]], list[tuple[int, Decimal, Decimal]]]:
    """The promo codes of an event, and those that take something off: id, amount, fraction."""
    records, useful = [], []
    for number in range(8):
        key = show.id * 100 + number
        code = ("EARLY10", "friends", "Friends", "VIP", "SPRING")[number % 5]
        amount = Decimal("5.00") if number % 3 == 0 else None
        percentage = Decimal("12.5") if number % 3 == 1 else None
        truth.served("promo_codes")
        truth.row("coupons", key)
        truth.points("events", show.id)
        truth.mess("M3" if percentage else "M23", "M5")
        if amount is None and percentage is None:
            truth.warning("no_discount")
        else:
            share = (percentage or Decimal(0)) / 100
            useful.append((key, amount or Decimal(0), share))
        records.append(
            {
                "PC_id": key,
                "PC_Code": f"{code:<15}",
                "PC_Amount": amount,
                "PC_Percentage": percentage,
                "PC_Uses": f"{chance.choice([0, 5, 100]):<10}",
                "PC_Apply": chance.choice(["A", None, f"{show.id * 10 + 1},{show.id * 10 + 2}"]),
                "PC_Startdatetype": 0,
                "Pc_Enddatetype": 0,
                "PC_Type": f"{'C':<10}",
                "P_Startdate": "2025-11-01T00:00:00",
                "P_Enddate": chance.choice([_MIN, "2026-12-31T23:59:59"]),
                "PC_Eventid": show.id,
            }
        )
    return records, useful


def _end(show: Show) -> str | None:
    if not show.ends:
        return _MIN
    return f"{show.starts + timedelta(hours=3):%Y-%m-%dT%H:%M:%S}" if show.utc else None


def _address(number: int) -> dict[str, Any]:
    return {
        "AddressID": number,
        "VenueName": f"Hall {number % 10}",
        "Address1": f"{number % 100} Main Street",
        "Address2": "",
        "City": "Springfield",
        "State": "MA",
        "Zip": "01103",
        "CountryID": 1,
        "Latitude": "42.1015",
        "Longitude": "-72.589811",
    }
