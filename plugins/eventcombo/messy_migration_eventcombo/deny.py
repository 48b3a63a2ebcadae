"""What is never extracted: cards, bank accounts, passwords and payment tokens.

The database behind this service has such columns, and an answer that grew by one of them must
not bring it as far as a landed file. Names are compared without case and without separators.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

DENY = (
    # CardDetails and Payment_Info as a whole, and the columns that they are made of.
    "CardDetails",
    "CardDetail",
    "Card_Details",
    "Payment_Info",
    "PaymentInfo",
    "CardId",
    "card_type",
    "CardType",
    "CardNumber",
    "Card_Number",
    "CardNo",
    "CardHolderName",
    "ExpirationDate",
    "Expiration_Date",
    "ExpiryDate",
    "ExpiryMonth",
    "ExpiryYear",
    "Cvv",
    "Cvc",
    "Cvv2",
    "CvvCode",
    "SecurityCode",
    "BankName",
    "Bank_Name",
    "AccountNumber",
    "Account_Number",
    "BankAccount",
    "BankAccountNumber",
    "RoutingNumber",
    "Routing_Number",
    "Iban",
    "PasswordHash",
    "Password",
    "SecurityStamp",
    "Private_Password",
    "PrivatePassword",
    "O_PayPal_TokenId",
    "O_PayPal_PayerId",
    "PayPalTokenId",
    "PayPal_TokenId",
    "PayPalPayerId",
    "PayPal_PayerId",
    "PayerId",
    "O_Card_TransHash",
    "CardTransHash",
    "Card_TransHash",
)
"""Names of fields as the service is known, or likely, to write them; what a stream declares."""


@lru_cache(maxsize=8192)
def bare(name: str) -> str:
    """A name without case, underscores, dashes, dots and spaces."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


DENIED = frozenset(map(bare, DENY))
"""The same names in the form in which they are compared."""


def without_denied(value: object, denied: Collection[str] = DENIED) -> object:
    """A parsed answer without the denied fields, wherever in the tree they are."""
    if isinstance(value, dict):
        return {
            key: without_denied(entry, denied)
            for key, entry in value.items()
            if bare(key) not in denied
        }
    if isinstance(value, list):
        return [without_denied(entry, denied) for entry in value]
    return value
