"""The fields of a record, whatever their case and whichever of their names the service uses.

The names are those of the data model behind the service; the answers of its newer calls spell
some of them differently. A name is compared without case and separators.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from messy_migration_eventcombo.deny import bare
from messy_migration_ticketing import Bad, identifier, is_blank

KEYS: Mapping[str, str] = {
    "events": "EventID",
    "ticket_types": "T_Id",
    "promo_codes": "PC_id",
    "orders": "O_Id",
    "attendees": "T_Id",
}
"""Entity -> the field that identifies a record."""

ALIASES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "events": {
        "EventID": ("Id",),
        "EventTitle": ("Title", "EventName", "Name"),
        "TimeZone": ("TimeZoneId", "TimeZone_Id"),
        "E_Startdate": ("EventStartDateUtc", "StartDateUtc", "M_Startfrom"),
        "E_Enddate": ("EventEndDateUtc", "EndDateUtc", "M_StartTo"),
        "EventStartDate": ("StartDate", "StartingFrom"),
        "EventEndDate": ("EndDate", "StartingTo"),
        "EventStartTime": ("StartTime",),
        "EventEndTime": ("EndTime",),
        "Parent_EventID": ("ParentEventId",),
        "EventCancel": ("IsCancelled", "IsCanceled"),
        "EventStatus": ("Status",),
        "EventPrivacy": ("Privacy",),
        "EventDescription": ("Description",),
        "Zip": ("PostalCode", "ZipCode"),
        "Country": ("CountryName",),
        "CreateDate": ("CreatedOn", "AddedOn"),
        "ModifyDate": ("UpdatedOn", "UpdateOn", "ModifiedOn", "LastModified"),
        "UserID": ("OrganizerId",),
    },
    "ticket_types": {
        "T_Id": ("TicketId", "TicketTypeRecordId"),
        "E_Id": ("EventId",),
        "T_name": ("TicketName", "Name"),
        "Fees_Type": ("TicketFeeType",),
        "Qty_Available": ("Quantity",),
        "T_EcAmount": ("MerchantFee",),
    },
    "promo_codes": {
        "PC_id": ("PromoCodeId",),
        "PC_Code": ("Code", "PromoCode"),
        "PC_Eventid": ("EventId",),
    },
    "orders": {
        "O_Id": ("OrderDetailId",),
        "O_Order_Id": ("OrderNumber", "OrderNo"),
        "O_OrderDateTime": ("OrderDateUtc", "OrderDate"),
        "OrderStateId": ("OrderState",),
        "Lines": ("TicketPurchasedDetails", "Ticket_Purchased_Detail", "OrderLines"),
        "Variables": ("VariableCharges", "Event_VariableDesc"),
        "O_PayPal_TrancId": ("PayPalTransactionId",),
        "Phone_Number": ("PhoneNumber", "Phone"),
    },
    "lines": {
        "T_name": ("TicketName",),
        "TQD_Ticket_Id": ("TicketTypeRecordId", "TicketId"),
    },
    "variables": {
        "Variable_Id": ("VariableId", "Id"),
        "VariableDesc": ("Description", "Name"),
        "Price": ("Amount",),
    },
    "attendees": {
        "T_Id": ("TicketNumber", "Barcode"),
        "T_Order_Id": ("OrderNumber", "OrderId"),
        "O_Id": ("OrderDetailId",),
        "TQD_Event_Id": ("EventId", "TPD_Event_Id"),
        "TQD_Ticket_Id": ("TicketTypeRecordId", "TicketId"),
        "Name": ("AttendeeName", "FullName"),
        "Email": ("AttendeeEmail",),
        "PhoneNumber": ("Phone",),
        "O_OrderDateTime": ("OrderDateUtc", "OrderDate"),
        "OrderStateId": ("OrderState",),
    },
}
"""Entity -> field -> more names of it, the likeliest first."""

COUNTERS = frozenset(
    map(bare, ("T_Sold_Qty", "TQD_Remaining_Quantity", "SoldQty", "RemainingQuantity"))
)
"""Counters drift and are never loaded: what was sold is counted from what was sold."""


class Fields:
    """A record by the names of its fields, those of some nested objects included.

    Raises:
        Bad: one field is there under two spellings with two values.
    """

    def __init__(
        self,
        record: Mapping[str, Any],
        aliases: Mapping[str, Sequence[str]],
        nested: Sequence[str] = (),
    ) -> None:
        self._record = record
        self._aliases = aliases
        self._used: set[str] = set()
        self._layers = [_by_name(record)]
        for name in nested:
            inner = self._take(self._layers[0], name)
            if isinstance(inner, list) and len(inner) == 1:
                inner = inner[0]
            if isinstance(inner, dict):
                self._used.add(bare(name))
                self._layers.append(_by_name(inner))

    @classmethod
    def of(cls, entity: str, record: Mapping[str, Any]) -> Fields:
        """A nested record, with the aliases of its entity."""
        return cls(record, ALIASES.get(entity, {}))

    def __getitem__(self, name: str) -> Any:
        """The first value that says something, under any of the names; None without one."""
        for alias in (name, *self._aliases.get(name, ())):
            for layer in self._layers:
                value = self._take(layer, alias)
                if not is_blank(value):
                    self._used.add(bare(alias))
                    return value
        return None

    def __contains__(self, name: str) -> bool:
        """Whether the record has the field at all, be it null."""
        names = (name, *self._aliases.get(name, ()))
        return any(bare(written) in layer for written in names for layer in self._layers)

    def rest(self) -> dict[str, Any]:
        """The fields that were not asked for and say something, counters left out."""
        unused: dict[str, Any] = {}
        for layer in self._layers:
            for name, (key, value) in layer.items():
                if name not in self._used and name not in COUNTERS and not is_blank(value):
                    unused.setdefault(key, value)
        return unused

    def _take(self, layer: Mapping[str, tuple[str, Any]], name: str) -> Any:
        return layer.get(bare(name), ("", None))[1]


def key_of(
    entity: str, record: Mapping[str, Any], aliases: Mapping[str, Sequence[str]]
) -> str | None:
    """What identifies a record in the source, padding included; None if it has nothing.

    The padding stays only where the key is a barcode: the source has both forms of numbers.
    """
    name = KEYS[entity]
    names = [
        bare(written) for written in (name, *aliases.get(name, ()), *ALIASES[entity].get(name, ()))
    ]
    values = {bare(key): value for key, value in record.items()}
    for bare_name in names:
        value = values.get(bare_name)
        if is_blank(value):
            continue
        try:
            key = identifier(value, "source_id")
        except Bad:
            return None
        return key if entity == "attendees" or key is None else key.strip()
    return None


def aliases_of(entity: str, more: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The alias table of an entity, with those of the settings before ours."""
    table = ALIASES.get(entity, {})
    names = {*table, *more}
    return {name: (*more.get(name, ()), *table.get(name, ())) for name in names}


def _by_name(record: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    first: dict[str, tuple[str, Any]] = {}
    for key, value in record.items():
        name = bare(key)
        if name in first and first[name][1] != value and not is_blank(value):
            if not is_blank(first[name][1]):
                raise Bad("field_twice", None, "a field is there in two spellings")
            first[name] = (key, value)
        first.setdefault(name, (key, value))
    return first
