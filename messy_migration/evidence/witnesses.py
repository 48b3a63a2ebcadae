"""What speaks for evidence from outside of it: heads that were kept, and keys.

Everything in a file follows from the file, so that a forger makes it anew. Only a head that was
written down elsewhere, the MAC of a secret or the signature of a key that is trusted tell forged
evidence from what a run has written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from messy_migration.errors import ConfigurationError
from messy_migration.evidence import document as documents
from messy_migration.evidence.check import Check
from messy_migration.evidence.macs import macs
from messy_migration.evidence.place import Place
from messy_migration.fingerprint.keyed import Key
from messy_migration.fingerprint.signing import Signature, is_signed
from messy_migration.ledger.anchors import Anchor

KEPT = "it is what was kept outside of the database"
_SHOWN = 16


@dataclass(frozen=True)
class Witnesses:
    """What is at hand to hold evidence against.

    Attributes:
        anchors: the heads that were written down on this machine.
        key: the `fingerprint_key`; None if there is none here.
        keys: public keys whose signatures are trusted.
        revoked: public keys whose signatures prove nothing any more.
    """

    anchors: Sequence[Anchor] = ()
    key: Key | None = None
    keys: frozenset[str] = frozenset()
    revoked: frozenset[str] = field(default_factory=frozenset)

    def trusted(self) -> frozenset[str]:
        """The keys that count."""
        return self.keys - self.revoked

    def checks(self, document: Mapping[str, Any], place: Place) -> list[Check]:
        """One check for each of them.

        Args:
            document: the evidence.
            place: where it stands.
        """
        checks = [
            _anchored(place, self.anchors),
            *macs(document, self.key),
            *_named(place, self.anchors),
        ]
        is_known = any(check.passed for check in checks)
        return [*checks, *_signed(document, place, self, is_known=is_known)]

    def given(self, place: Place, head: str) -> Check:
        """The same as the anchors, of the beginning of a head that was given by hand."""
        if not place.is_linked:
            return _witness(KEPT, passed=False, why="no link holds it: it has no head of its own")
        is_same = place.head.startswith(head)
        why = "" if is_same else f"it is {place.head[:_SHOWN]}, not the one that was given"
        return _witness(KEPT, is_same, why)


def _anchored(place: Place, anchors: Sequence[Anchor]) -> Check:
    """The head of the link, or the digest of evidence without one, against what was kept."""
    if not place.is_linked:
        if any(one.evidence == place.digest for one in anchors if one.evidence):
            return _witness(KEPT, passed=True)
        return _witness(KEPT, None, "no link of a chain holds it, and no anchor here names it")
    lines = [one for one in anchors if (one.ledger, one.ordinal) == (place.ledger, place.ordinal)]
    others = [one for one in lines if one.head != place.head]
    if not lines:
        return _witness(KEPT, None, f"{_no_anchor(place, anchors)}: {place.head}")
    if not others:
        return _witness(KEPT, passed=True)
    if len(others) < len(lines):
        named = ", ".join(f"{one.head[:_SHOWN]} at {one.at[:19]}Z" for one in others[:2])
        why = f"the anchors contradict each other: for link {place.ordinal} they name {named} too"
    else:
        why = f"{others[-1].head[:_SHOWN]} was anchored here for it"
    return _witness(KEPT, passed=False, why=why)


def _no_anchor(place: Place, anchors: Sequence[Anchor]) -> str:
    if any(one.ledger == place.ledger for one in anchors):
        here = "the anchors here are of other links of this ledger"
    elif anchors:
        labels = list(dict.fromkeys(one.label for one in anchors))
        more = " and others" if len(labels) > 2 else ""
        here = f"the anchors here are of other ledgers, in {', '.join(labels[:2])}{more}"
    else:
        here = "no anchor here"
    return f"{here}; give the head with --anchor if you know it"


def _named(place: Place, anchors: Sequence[Anchor]) -> Iterator[Check]:
    """Evidence of this name was written down here with another content."""
    lines = [one for one in anchors if one.file and one.file == place.file]
    if lines and all(one.evidence != place.digest for one in lines):
        why = f"evidence {lines[-1].evidence[:_SHOWN]} was written down here under this name"
        yield _witness("it is the evidence that was written under its name", passed=False, why=why)


def _signed(
    document: Mapping[str, Any], place: Place, witnesses: Witnesses, *, is_known: bool
) -> Iterator[Check]:
    signature = document.get("signature")
    yield _by_anchor(signature, place, witnesses.anchors)
    what, trusted = "it is signed by a key that is trusted", witnesses.trusted()
    if signature is None:
        if trusted and not is_known:
            why = "it carries no signature: written before there was a key, or taken off"
            yield _witness(what, passed=False, why=why)
        return
    try:
        named = Signature(**signature)
        is_right = is_signed(documents.SIGNED, documents.signed_values(document), named)
    except ConfigurationError as error:
        yield _witness(what, None, f"{error.why}: {error.next}")
        return
    except (TypeError, KeyError, AttributeError):
        yield _witness(what, passed=False, why="the signature is not in shape")
        return
    who = f"{named.key} at {named.at[:19]}Z"
    if not is_right:
        yield _witness(what, passed=False, why="the signature is not of this evidence")
    elif named.key in witnesses.revoked:
        why = f"it is signed by the key {who}, which was revoked"
        yield _witness(what, None if is_known else False, why)
    elif named.key in trusted:
        yield _witness(what, passed=True)
    elif trusted:
        why = f"it is signed by another key: {who}"
        yield _witness(what, None if is_known else False, why)
    else:
        yield _witness(what, None, f"no key is at hand: --key {named.key} if you trust it")


def _by_anchor(signature: object, place: Place, anchors: Sequence[Anchor]) -> Check:
    """Anchors say which key signed, so that no signature is taken off or put on."""
    what = "it carries the signature that it was written with"
    lines = [
        one
        for one in anchors
        if one.kind and one.evidence == place.digest and one.head in ("", place.head)
    ]
    if not lines:
        return _witness(what, None, "no anchor here says with which")
    key = signature.get("key") if isinstance(signature, Mapping) else ""
    if any(one.key == key for one in lines):
        return _witness(what, passed=True)
    theirs = f"under the key {lines[-1].key}" if lines[-1].key else "without one"
    return _witness(what, passed=False, why=f"it was written {theirs}")


def contradictions(anchors: Sequence[Anchor]) -> Iterator[str]:
    """Anchors name more than one head for these links; a line for each."""
    heads: dict[tuple[str, int], dict[str, str]] = {}
    for one in anchors:
        if one.ordinal:
            heads.setdefault((one.ledger, one.ordinal), {}).setdefault(one.head, one.at)
    for (_, ordinal), kept in sorted(heads.items()):
        if len(kept) > 1:
            named = ", ".join(f"{head[:_SHOWN]} at {at[:19]}Z" for head, at in kept.items())
            yield f"for link {ordinal} they name {named}"


def unsigned(anchors: Sequence[Anchor], witnesses: Witnesses) -> Iterator[str]:
    """Anchors that a key did not sign though it signed others, or whose signature is wrong."""
    if not any(one.signature for one in anchors) and not witnesses.trusted():
        return
    trusted = witnesses.trusted()
    began = False
    for one in anchors:
        name = f"link {one.ordinal}" if one.ordinal else "evidence without a link"
        signature = Signature(one.key, one.at, one.signature)
        if one.signature and not is_signed("anchor", one.signed_values, signature):
            yield f"the signature of the anchor of {name} at {one.at[:19]}Z is wrong"
        elif one.signature and trusted and one.key not in trusted:
            yield f"the anchor of {name} at {one.at[:19]}Z is signed by another key, {one.key}"
        elif not one.signature and began:
            yield f"the anchor of {name} at {one.at[:19]}Z carries no signature, those before do"
        began = began or bool(one.signature)


def _witness(what: str, passed: bool | None, why: str = "") -> Check:  # noqa: FBT001 - as `Check`
    return replace(Check(what, passed, why), is_witness=True)
