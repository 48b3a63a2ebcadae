"""Ed25519 signatures (RFC 8032): anybody who has the public key checks them, offline.

The private key is named by the reference `signing_key` and is never shown, written or sent. The
library is an extra and is loaded when a key is set or a signature is met, so that a command
without one does not pay for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from messy_migration.errors import ConfigurationError, UsageProblem

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_HEX = re.compile(r"[0-9a-f]{64}")
_VALUE = re.compile(r"[0-9a-f]{128}")
_LARGEST = 64 * 1024
INSTALL = "pip install 'messy-migration[signing]'"


@dataclass(frozen=True)
class Signature:
    """What a key says of some values.

    Attributes:
        key: the public key, 64 hexadecimal characters.
        at: when it was signed, in UTC; it is signed too.
        value: 128 hexadecimal characters.
    """

    key: str
    at: str
    value: str


class Signer:
    """What a process makes of the `signing_key`.

    Attributes:
        public: the public key, 64 hexadecimal characters.
    """

    __slots__ = ("_key", "public")

    def __init__(self, secret: str) -> None:
        """Read a private key: PKCS 8 in PEM, or 64 hexadecimal characters.

        Raises:
            ConfigurationError: it is none, or the library is not installed.
        """
        self._key = _private(secret)
        self.public = self._key.public_key().public_bytes_raw().hex()

    def __repr__(self) -> str:
        """Only what is public."""
        return f"Signer({self.public})"

    def __reduce__(self) -> NoReturn:
        """A key never crosses the border of a process; each resolves the reference itself."""
        raise TypeError("a signing_key is not sent to another process")

    def sign(self, kind: str, values: Sequence[object], at: str) -> Signature:
        """Sign values of JSON, and the moment with them."""
        message = _message(kind, values, self.public, at)
        return Signature(self.public, at, self._key.sign(message).hex())


def is_signed(kind: str, values: Sequence[object], signature: Signature) -> bool:
    """Did the key that the signature names sign these values at that moment?

    Raises:
        ConfigurationError: the library is not installed.
    """
    if not _HEX.fullmatch(signature.key) or not _VALUE.fullmatch(signature.value):
        return False
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise _missing() from None
    message = _message(kind, values, signature.key, signature.at)
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.key))
        public.verify(bytes.fromhex(signature.value), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def public_key(text: str) -> str:
    """A public key as 64 hexadecimal characters, from these, from PEM, or from a file of either.

    Raises:
        UsageProblem: it is none of them.
        ConfigurationError: the library is not installed.
    """
    given = text.strip()
    if not _HEX.fullmatch(given.lower()) and "-----BEGIN" not in given:
        given = _content(given)
    if _HEX.fullmatch(given.lower()):
        return given.lower()
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        raise _missing() from None
    try:
        key = load_pem_public_key(given.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise _no_public_key()
    return str(key.public_bytes_raw().hex())


def _content(path: str) -> str:
    try:
        file = Path(path).expanduser()
        if file.stat().st_size > _LARGEST:
            raise _no_public_key()
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        raise _no_public_key() from None


def _private(secret: str) -> Ed25519PrivateKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise _missing() from None
    text = secret.strip()
    if _HEX.fullmatch(text.lower()):
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))
    try:
        key = load_pem_private_key(text.encode("utf-8", "surrogatepass"), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            "the signing_key is no Ed25519 private key",
            "signing_key",
            "it is neither PEM without a password nor 64 hexadecimal characters",
            "make one: openssl genpkey -algorithm ed25519, or openssl rand -hex 32",
        )
    return key


def _message(kind: str, values: Sequence[object], key: str, at: str) -> bytes:
    signed = ["messy_migration signature 1", kind, list(values), key, at]
    text = json.dumps(signed, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    return text.encode("utf-8", "surrogatepass")


def _missing() -> ConfigurationError:
    return ConfigurationError(
        "signatures cannot be made or checked here",
        "signing_key",
        "the package cryptography is not installed",
        INSTALL,
    )


def _no_public_key() -> UsageProblem:
    return UsageProblem(
        "this is no Ed25519 public key",
        "--key",
        "it is neither 64 hexadecimal characters, nor PEM, nor a file of either",
        "the evidence that was signed names it, and so does the page",
    )
