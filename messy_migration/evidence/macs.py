"""The MACs of the `fingerprint_key` on the links of a document, where the key is at hand."""

from __future__ import annotations

from collections.abc import Iterator

from messy_migration.evidence.check import Check
from messy_migration.evidence.links import Document, chained
from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger.chain import Link


def macs(document: Document, key: Key | None) -> Iterator[Check]:
    """One check of a document that was written under a key; none of one that was not."""
    if "chain" not in document:
        return
    try:
        links = [*(Link(**one) for one in document.get("links", ())), chained(document)]
    except (TypeError, AttributeError):
        return  # the check of the head says so already
    key_id = links[-1].key_id
    if key_id is None:
        if key is not None:
            what = f"the head carries the MAC of the fingerprint_key {key.id}"
            yield Check(what, None, "it was written without a key", is_witness=True)
        return
    what = f"the head carries the MAC of the fingerprint_key {key_id}"
    if key is None:
        why = "no key is at hand: set fingerprint_key to check it"
        yield Check(what, None, why, is_witness=True)
    elif key.id != key_id:
        yield Check(what, None, f"another key is at hand: {key.id}", is_witness=True)
    else:
        ours = [link for link in links if link.key_id == key.id]
        wrong = [link for link in ours if not key.is_mac("link", link.head, link.mac)]
        why = f"link {wrong[0].ordinal} does not: it is forged" if wrong else ""
        yield Check(what, not wrong, why, is_witness=True)
