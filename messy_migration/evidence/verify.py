"""Verify files of evidence and their pages, offline, against each other and against anchors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messy_migration.errors import MigrationError, ProofError, UsageProblem
from messy_migration.evidence import document as documents
from messy_migration.evidence import page
from messy_migration.evidence.derive import Check, derive
from messy_migration.evidence.macs import macs
from messy_migration.fingerprint.keyed import Key
from messy_migration.ledger.anchors import Anchor


@dataclass(frozen=True)
class Verified:
    """What became of one file; `problem` where it could not even be taken for evidence."""

    path: str
    checks: tuple[Check, ...]
    problem: MigrationError | None = None

    @property
    def is_verified(self) -> bool:
        """Nothing in it is wrong; what could not be checked is told apart."""
        return self.problem is None and all(check.passed is not False for check in self.checks)


def verify(
    paths: Sequence[Path],
    anchors: Sequence[Anchor],
    given: str | None = None,
    key: Key | None = None,
) -> list[Verified]:
    """Verify files, JSON or HTML; the evidence of a page is looked for beside it.

    Args:
        paths: at least one.
        anchors: the heads that were written down on this machine.
        given: the beginning of the head that the newest of them must have.
        key: the `fingerprint_key`, where it is at hand.

    Raises:
        UsageProblem: a file cannot be read.
    """
    found: list[Verified] = []
    taken: list[tuple[int, dict[str, Any]]] = []
    for path in paths:
        try:
            if page.is_page(_beginning(path)):
                found.append(_page(path, key))
                continue
            document, _ = documents.read(path)
        except ProofError as error:
            found.append(Verified(str(path), (), error))
            continue
        taken.append((len(found), document))
        found.append(Verified(str(path), (*derive(document), *macs(document, key))))
    newest = max((_place(document)[1] for _, document in taken), default=0)
    for place, document in taken:
        is_newest = _place(document)[1] == newest
        extra = [_anchor(document, anchors, given if is_newest else None)]
        extra += _neighbours(document, [other for _, other in taken])
        found[place] = Verified(found[place].path, (*found[place].checks, *extra))
    return found


def _beginning(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(64).decode("utf-8", "replace")
    except OSError as error:
        raise UsageProblem("the file cannot be read", str(path), error.strerror or "") from error


def _page(path: Path, key: Key | None) -> Verified:
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise ProofError("the page was changed", str(path), "it is not UTF-8") from None
    digest, is_sealed = page.seals(text)
    checks = [
        Check("the digest over the page is right", is_sealed, "" if is_sealed else "it is not")
    ]
    evidence = path.with_suffix(".json")
    if not evidence.exists():
        raise ProofError(
            "the evidence is not beside its page",
            str(path),
            f"there is no {evidence.name}",
            "put both files into one folder: a page alone proves nothing",
        )
    document, _ = documents.read(evidence)
    is_its = digest == document["digest"]
    checks.append(
        Check(f"it is the page of {evidence.name}", is_its, "" if is_its else "of another evidence")
    )
    checks += [*derive(document), *macs(document, key)]
    checks.append(_rendered(document, text))
    return Verified(str(path), tuple(checks))


def _rendered(document: Mapping[str, Any], text: str) -> Check:
    what = "every byte of it follows from the evidence"
    try:
        same = page.render(document) == text
    except Exception as error:  # noqa: BLE001 - a document of any shape may have been forged
        return Check(what, passed=False, why=f"it is not in shape ({type(error).__name__})")
    return Check(what, same, "" if same else "it was changed, or written by another version")


def _place(document: Mapping[str, Any]) -> tuple[str, int, str, str]:
    """Ledger, ordinal, head and the head before it; empty where the document is not in shape."""
    ledger, link = document.get("ledger"), document.get("chain")
    ledger = ledger if isinstance(ledger, Mapping) else {}
    link = link if isinstance(link, Mapping) else {}
    ordinal = link.get("ordinal", ledger.get("links"))
    return (
        str(ledger.get("id", "")),
        ordinal if isinstance(ordinal, int) else 0,
        str(link.get("head", ledger.get("head", ""))),
        str(link.get("previous", "")),
    )


def _anchor(document: Mapping[str, Any], anchors: Sequence[Anchor], given: str | None) -> Check:
    what = "the head is the one that was kept outside of the database"
    ledger, ordinal, head, _ = _place(document)
    if not head:
        return Check(what, None, "the ledger had no chain yet")
    if given is not None:
        same = head.startswith(given.lower())
        return Check(what, same, "" if same else f"it is {head[:16]}, not the one that was given")
    same_link = [one for one in anchors if (one.ledger, one.ordinal) == (ledger, ordinal)]
    if not same_link:
        return Check(what, None, f"no anchor here; give it with --anchor if you know it: {head}")
    same = any(one.head == head for one in same_link)
    return Check(what, same, "" if same else f"{same_link[-1].head[:16]} was anchored here for it")


def _neighbours(
    document: Mapping[str, Any], others: Iterable[Mapping[str, Any]]
) -> Iterable[Check]:
    """Where the evidence of the link before is at hand: it is the link before."""
    ledger, ordinal, _, previous = _place(document)
    between = document.get("links")
    if isinstance(between, list) and between and isinstance(between[0], Mapping):
        # What the run wrote while it went on leads from the link before to its last one.
        ordinal, previous = between[0].get("ordinal", 0), str(between[0].get("previous", ""))
    for other in others:
        its_ledger, before, head, _ = _place(other)
        if previous and before and (its_ledger, before) == (ledger, ordinal - 1):
            same = previous == head
            why = "" if same else "the head before it is another one"
            yield Check(f"it follows from link {before}", same, why)
