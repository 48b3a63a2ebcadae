"""The keyed checksum of rows, and the MACs of the ledger, under a secret that stays in processes.

The sums of `messy_migration.fingerprint.rows` have no key, so whoever can compute can make other
rows that add up to them. Under a `fingerprint_key` each row is hashed a second time by keyed
BLAKE2b (RFC 7693), and these hashes are summed in two lanes in the same way. A sum is written
down only masked by a pad of its own receipt: sums in plain would tell the hashes of rows that
were loaded one by one, and out of enough of them another set with the same sum can be solved.

Each use has a key of its own, derived one-way from the secret, and so has the public key id.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import islice
from typing import NoReturn, cast

import numpy as np
import pyarrow as pa

from messy_migration.errors import ConfigurationError
from messy_migration.fingerprint import rows as plain
from messy_migration.model import Column, Fingerprint

SHORTEST = 16
"""The fewest characters of a secret; shorter ones are found by trying."""

_BYTES = 16
_TEXTS = 1_024


class Key:
    """What a process makes of the `fingerprint_key`; it is never shown, written or sent.

    Attributes:
        id: public: 16 hexadecimal characters, by which two keys are told apart.
    """

    __slots__ = ("_mac", "_pad", "_row", "id")

    def __init__(self, secret: str) -> None:
        """Derive the keys of all uses.

        Raises:
            ConfigurationError: the secret is too short.
        """
        if len(secret) < SHORTEST:
            raise ConfigurationError(
                "the fingerprint_key is too short",
                "fingerprint_key",
                f"a secret of fewer than {SHORTEST} characters is found by trying",
                "make one: openssl rand -hex 32",
            )
        root = blake2b(secret.encode("utf-8", "surrogatepass"), person=b"mm root").digest()
        self.id = _derived(root, b"mm id")[:8].hex()
        self._row = blake2b(key=_derived(root, b"mm row"), digest_size=_BYTES)
        self._pad = _derived(root, b"mm pad")
        self._mac = _derived(root, b"mm mac")

    def __repr__(self) -> str:
        """Only what is public."""
        return f"Key({self.id})"

    def __reduce__(self) -> NoReturn:
        """A key never crosses the border of a process; each resolves the reference itself."""
        raise TypeError("a fingerprint_key is not sent to another process")

    def fingerprint(self, texts: Iterable[bytes]) -> Fingerprint:
        """The keyed sum of rows in their C1 texts."""
        count = lane0 = lane1 = 0
        source = iter(texts)
        while piece := list(islice(source, _TEXTS)):
            words = np.frombuffer(b"".join(map(self._hash, piece)), ">u8").reshape(-1, 2)
            first, second = (int(lane) for lane in words.sum(axis=0, dtype=np.uint64))
            count, lane0, lane1 = count + len(piece), lane0 + first, lane1 + second
        return Fingerprint() + Fingerprint(count, lane0, lane1)

    def masked(self, net: Fingerprint, identity: tuple[str, ...]) -> str:
        """A sum as the ledger may hold it.

        Args:
            net: rows added minus removed.
            identity: what tells the sum apart from every other one: batch, table, scope.
        """
        return (net + self._mask(identity)).lanes

    def unmasked(self, lanes: str, identity: tuple[str, ...]) -> Fingerprint:
        """The sum that `masked` wrote, without its number of rows."""
        return Fingerprint.of(0, lanes) - self._mask(identity)

    def mac(self, kind: str, digest: str) -> str:
        """What the key makes of a digest of the ledger: 64 hexadecimal characters."""
        return blake2b(f"{kind}\n{digest}".encode(), key=self._mac, digest_size=32).hexdigest()

    def is_mac(self, kind: str, digest: str, mac: str | None) -> bool:
        """Was that made with this key?"""
        return mac is not None and hmac.compare_digest(
            self.mac(kind, digest).encode(), mac.encode("utf-8", "surrogatepass")
        )

    def _hash(self, text: bytes) -> bytes:
        # To copy a state that has taken the key costs less than to take the key again.
        state = self._row.copy()
        state.update(text)
        return state.digest()

    def _mask(self, identity: tuple[str, ...]) -> Fingerprint:
        text = "\0".join(identity).encode("utf-8", "surrogatepass")
        pad = blake2b(text, key=self._pad, digest_size=_BYTES).hexdigest()
        return Fingerprint.of(0, pad)


Sums = tuple[Fingerprint, Fingerprint | None]
"""The sum of rows without a key, and the one under a key; None where there is no key."""


def sums(data: pa.Table, columns: Sequence[Column], key: Key | None) -> Sums:
    """The sums of rows in flight; data may hold more columns than those."""
    if key is None:
        return plain.fingerprint(data, columns), None
    unkeyed, keyed = Fingerprint(), Fingerprint()
    for piece in plain.pieces(data.select([column.name for column in columns])):
        texts = plain.row_texts(piece, columns)
        unkeyed += plain.total(plain.row_hashes(texts))
        keyed += key.fingerprint(cast("list[bytes]", texts.to_pylist()))
    return unkeyed, keyed


def sums_of_texts(texts: Iterable[bytes], *keys: Key) -> list[Fingerprint]:
    """The sum of rows in their C1 texts without a key, and then the one under each key."""
    fingerprints = [Fingerprint()] * (1 + len(keys))
    source = iter(texts)
    while piece := list(islice(source, _TEXTS)):
        parts = [plain.fingerprint_texts(piece), *(key.fingerprint(piece) for key in keys)]
        fingerprints = [one + part for one, part in zip(fingerprints, parts, strict=True)]
    return fingerprints


def _derived(root: bytes, use: bytes) -> bytes:
    return blake2b(key=root, digest_size=32, person=use).digest()
