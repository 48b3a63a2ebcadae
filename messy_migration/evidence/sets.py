"""Judge the evidence of one target as a set: what is missing, and what contradicts the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from messy_migration.errors import ConfigurationError
from messy_migration.evidence.check import Check
from messy_migration.evidence.place import Place
from messy_migration.evidence.witnesses import Witnesses, contradictions, unsigned
from messy_migration.ledger.anchors import Anchor

_LISTED = 3
_OF_EVIDENCE = ("", "run", "proof")
"""Kinds of links that evidence holds; older anchors name none."""


def by_ledger(places: Iterable[Place]) -> dict[str, list[Place]]:
    """The evidence of each ledger, by the names of the ledgers."""
    places_of: dict[str, list[Place]] = {}
    for place in places:
        places_of.setdefault(place.ledger, []).append(place)
    return dict(sorted(places_of.items()))


def judged(places: Sequence[Place], witnesses: Witnesses, *, is_whole: bool) -> list[Check]:
    """The checks of a set.

    Args:
        places: of the evidence of one ledger.
        witnesses: what is at hand.
        is_whole: it is a folder, so that all links that are known belong into it.
    """
    ledger = places[0].ledger
    anchors = [one for one in witnesses.anchors if one.ledger == ledger and ledger]
    linked = {place.digest: place for place in places if place.is_linked}
    checks = [
        _right("no link is in it with two contents", list(_forks(places))),
        _right("each link follows from the one before", list(_breaks(list(linked.values())))),
        _right("the anchors of this ledger agree", list(contradictions(anchors))),
    ]
    gaps = _gaps(list(linked.values()), is_whole=is_whole)
    what = "every link up to the newest is in it"
    checks.append(Check(what, None, f"no evidence of {gaps}") if gaps else Check(what, passed=True))
    if is_whole and anchors:
        checks.append(_newest(list(linked.values()), anchors))
    if len({place.target for place in places}) > 1:
        targets = ", ".join(sorted({place.target for place in places})[:_LISTED])
        checks.append(Check("it is of one target", None, f"its ledger was met in {targets}"))
    try:
        wrong = list(unsigned(anchors, witnesses))
    except ConfigurationError as error:
        checks.append(Check("the anchors are signed", None, f"{error.why}: {error.next}"))
    else:
        if any(one.signature for one in anchors) or wrong:
            checks.append(_right("the anchors are signed", wrong))
    return checks


def newer(place: Place, anchors: Sequence[Anchor]) -> Iterator[str]:
    """What is to be said of a file behind which the chain went on."""
    later = [one for one in anchors if one.ledger == place.ledger and one.ordinal > place.ordinal]
    if place.ledger and later:
        last = max(later, key=lambda one: one.ordinal)
        yield f"newer links are known here, up to link {last.ordinal} of {last.at[:19]}Z"


def _right(what: str, wrong: Sequence[str]) -> Check:
    more = f"; and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
    return Check(what, not wrong, "; ".join(wrong[:_LISTED]) + more)


def _forks(places: Sequence[Place]) -> Iterator[str]:
    """Links that two files claim with another content or head."""
    claims: dict[int, dict[tuple[str, str], str]] = {}
    for place in places:
        if place.is_linked:
            claim = claims.setdefault(place.ordinal, {})
            claim.setdefault((place.digest, place.head), place.file)
    for ordinal, files in sorted(claims.items()):
        if len(files) > 1:
            yield f"link {ordinal} is in {', '.join(sorted(files.values())[:_LISTED])}"


def _breaks(places: Sequence[Place]) -> Iterator[str]:
    heads: dict[int, set[str]] = {}
    for place in places:
        heads.setdefault(place.ordinal, set()).add(place.head)
    for place in places:
        if heads.get(place.first - 1, {place.before}).isdisjoint({place.before}):
            yield f"{place.file} does not follow from link {place.first - 1}"


def _gaps(places: Sequence[Place], *, is_whole: bool) -> str:
    """The links of which there is neither evidence nor a word, in words; empty if none."""
    spans = sorted((place.first, place.ordinal) for place in places)
    if not spans:
        return ""
    missing, expected = [], 1 if is_whole else spans[0][0]
    for first, last in spans:
        if first == expected + 1:
            missing.append(f"link {expected}")
        elif first > expected:
            missing.append(f"links {expected} to {first - 1}")
        expected = max(expected, last + 1)
    more = f" and {len(missing) - _LISTED} more gaps" if len(missing) > _LISTED else ""
    return ", ".join(missing[:_LISTED]) + more


def _newest(places: Sequence[Place], anchors: Sequence[Anchor]) -> Check:
    what = "the newest link that is known here is in it"
    last = max(
        (one for one in anchors if one.kind in _OF_EVIDENCE and one.ordinal),
        key=lambda one: one.ordinal,
        default=None,
    )
    end = max((place.ordinal for place in places), default=0)
    if last is None or last.ordinal <= end:
        return Check(what, passed=True)
    return Check(what, None, f"link {last.ordinal} was anchored here at {last.at[:19]}Z")


def label(places: Sequence[Place]) -> str:
    """A set in words: its target and its ledger."""
    return f"target {places[0].target}, ledger {places[0].ledger[:12] or 'unknown'}"
