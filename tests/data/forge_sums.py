"""Forge a table: other amounts in 1,024 rows, the same count and the same two sums of hashes.

A generalised birthday attack (Wagner 2002) on the fingerprint of a table `s(id, name, amt)`. For
each row 4,096 other amounts are hashed; lists of differences are merged two by two, and each
merge keeps the pairs whose sum ends in more zeros. It takes some seconds, and it shows why sums
of hashes without a key prove the absence of accident only.

    python tests/data/forge_sums.py > tests/data/forged_sums.csv
"""

from __future__ import annotations

import hashlib

import numpy as np

ROWS = 1_024
_CANDIDATES = 4_608
_MOST = 5_000
_STEPS = [
    *(((0, start, 12),) for start in range(0, 60, 12)),
    ((0, 60, 4), (1, 0, 8)),
    *(((1, start, 12),) for start in (8, 20, 32)),
    ((1, 44, 20),),
]
"""For each merge the (lane, first bit, number of bits) that have to become zero."""


def amount(number):
    """An amount in its canonical form, without zeros at its end."""
    return f"{number / 10_000:.4f}".rstrip("0").rstrip(".")


def loaded(row):
    """The amount that row 1, 2, ... was loaded with."""
    return amount(row * 12_500)


def forge():
    """Row -> another amount; count and sums of the table stay as they are."""
    lists = [_candidates(row) for row in range(1, ROWS + 1)]
    trail = []
    for step in _STEPS:
        merged = [_merge(lists[place], lists[place + 1], step) for place in range(0, len(lists), 2)]
        lists = [sums for sums, _ in merged]
        trail.append([pairs for _, pairs in merged])
    chosen = [0]
    for pairs in reversed(trail):
        chosen = [int(side) for one, place in enumerate(chosen) for side in pairs[one][place]]
    return {row: amount(_other(row, place)) for row, place in enumerate(chosen, start=1)}


def _other(row, place):
    return row * 12_500 + 1 + place


def _candidates(row):
    texts = [loaded(row), *(amount(_other(row, place)) for place in range(_CANDIDATES))]
    name = f"name {row}"
    digests = b"".join(
        hashlib.sha256(f"{row}|{len(name)}:{name}|{text}".encode()).digest()[:16] for text in texts
    )
    lanes = np.frombuffer(digests, ">u8").reshape(-1, 2).astype(np.uint64)
    return lanes[1:] - lanes[0]


def _key(lanes, step, sign):
    key = np.zeros(len(lanes), np.uint64)
    for lane, start, bits in step:
        part = (lanes[:, lane] >> np.uint64(start)) * np.uint64(sign % (1 << 64))
        key = (key << np.uint64(bits)) | (part & np.uint64((1 << bits) - 1))
    return key


def _merge(left, right, step):
    wanted, there = _key(left, step, 1), _key(right, step, -1)
    order = np.argsort(there, kind="stable")
    first = np.searchsorted(there[order], wanted, "left")
    counts = np.searchsorted(there[order], wanted, "right") - first
    lefts = np.repeat(np.arange(len(left)), counts)[:_MOST]
    offsets = np.concatenate([np.arange(count) for count in counts if count] or [[]]).astype(int)
    rights = order[(np.repeat(first, counts) + offsets)[:_MOST]]
    return left[lefts] + right[rights], np.stack([lefts, rights], axis=1)


if __name__ == "__main__":
    for row, text in forge().items():
        print(f"{row},name {row},{text}")  # noqa: T201 - the file that it makes
