"""Verify evidence and its pages, offline: each file, and the set that files of one target are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from messy_migration.errors import MigrationError, ProofError, UsageProblem
from messy_migration.evidence import document as documents
from messy_migration.evidence import page, pages, sets
from messy_migration.evidence.check import Check
from messy_migration.evidence.derive import FIELDS, derive
from messy_migration.evidence.place import Place, check_name, place_of
from messy_migration.evidence.witnesses import Witnesses

NAMES = ("migration-*", "reconciliation-*")
"""What runs and reconciliations call their files."""
_PEEK = 2_048


@dataclass(frozen=True)
class Verified:
    """What became of one file, or of a set of them.

    Attributes:
        path: of the file, or the set in words.
        checks: what was held against what.
        problem: why it could not even be taken for evidence.
        notes: what is to be said of it and is no matter of being right.
        is_set: it is a set of files.
    """

    path: str
    checks: tuple[Check, ...]
    problem: MigrationError | None = None
    notes: tuple[str, ...] = ()
    is_set: bool = False

    @property
    def verdict(self) -> Literal["VERIFIED", "WRONG", "UNKNOWN"]:
        """UNKNOWN where nothing is wrong, and not all that it takes could be checked.

        A file takes a witness from outside of it, and one is enough.
        """
        if self.problem is not None:
            return "UNKNOWN" if isinstance(self.problem, documents.Unverifiable) else "WRONG"
        if any(check.passed is False for check in self.checks):
            return "WRONG"
        witnesses = [check for check in self.checks if check.is_witness]
        if not self.is_set and not any(check.passed for check in witnesses):
            return "UNKNOWN"
        is_whole = all(check.passed for check in self.checks if not check.is_witness)
        return "VERIFIED" if is_whole else "UNKNOWN"

    @property
    def is_verified(self) -> bool:
        """Nothing in it is wrong, and all that it takes was checked."""
        return self.verdict == "VERIFIED"


def verify(paths: Sequence[Path], witnesses: Witnesses, head: str | None = None) -> list[Verified]:
    """Verify files and folders; the evidence of a page is looked for beside it.

    Args:
        paths: at least one; of a folder, all evidence in it and its pages.
        witnesses: the anchors and keys that are at hand.
        head: the beginning of the head that the newest of them must have.

    Returns:
        One for each file, and one for each set of files of one ledger.

    Raises:
        UsageProblem: a file cannot be read, or a folder holds no evidence.
    """
    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    judged: list[Verified] = []
    places: list[tuple[int, Place]] = []
    for path in files:
        verified, place = _one(path, witnesses)
        if place is not None:
            places.append((len(judged), place))
        judged.append(verified)
    if head is not None:
        _hold(judged, places, head, witnesses)
    whole = [path for path in paths if path.is_dir()]
    return [*judged, *_sets([place for _, place in places], witnesses, is_whole=bool(whole))]


def _files(path: Path) -> list[Path]:
    """The files that a path stands for.

    Raises:
        UsageProblem: it is a folder without evidence, or cannot be read.
    """
    if not path.is_dir():
        return [path]
    try:
        files = sorted(file for file in path.iterdir() if file.is_file() and _is_ours(file))
    except OSError as error:
        raise UsageProblem("the folder cannot be read", str(path), error.strerror or "") from error
    if not files:
        raise UsageProblem(
            "there is no evidence in this folder", str(path), next="name the folder of the reports"
        )
    return files


def _is_ours(file: Path) -> bool:
    """A file of ours has one of our names or, whatever it is called, begins as they do."""
    if file.suffix not in (".json", ".html"):
        return False
    if any(file.match(f"{name}{file.suffix}") for name in NAMES):
        return True
    begin = _beginning(file, _PEEK)
    if file.suffix == ".html":
        return '<meta name="evidence"' in begin
    name = begin[4:].partition('"')[0]
    return begin.startswith('{\n "') and name in FIELDS and name < "b"


def _beginning(path: Path, size: int) -> str:
    try:
        with path.open("rb") as file:
            return file.read(size).decode("utf-8", "replace")
    except OSError as error:
        raise UsageProblem("the file cannot be read", str(path), error.strerror or "") from error


def _one(path: Path, witnesses: Witnesses) -> tuple[Verified, Place | None]:
    """A file by itself, JSON or page by one way; and where it stands."""
    try:
        evidence, rendered = path, None
        if page.is_page(_beginning(path, 64)):
            rendered, evidence = pages.read(path)
        document, _ = documents.read(evidence)
    except ProofError as error:
        return Verified(str(path), (), error), None
    place = place_of(document, evidence)
    name = check_name(document, path)
    checks = [
        *(pages.checks(document, rendered, evidence) if rendered is not None else ()),
        *derive(document),
        *([name] if name else ()),
        *witnesses.checks(document, place),
    ]
    notes = tuple(sets.newer(place, witnesses.anchors))
    return Verified(str(path), tuple(checks), notes=notes), place


def _hold(
    judged: list[Verified], places: Sequence[tuple[int, Place]], head: str, witnesses: Witnesses
) -> None:
    """Hold the newest against the head that was given, which counts in place of the anchors."""
    newest = max((place.ordinal for _, place in places), default=0)
    for index, place in places:
        if place.ordinal == newest:
            check = witnesses.given(place, head)
            others = [one for one in judged[index].checks if one.what != check.what]
            judged[index] = replace(judged[index], checks=(*others, check))


def _sets(places: Sequence[Place], witnesses: Witnesses, *, is_whole: bool) -> Iterator[Verified]:
    """What the files of one ledger are together; nothing of a single one and its page."""
    if len({place.digest for place in places}) < 2 and not is_whole:
        return
    for group in sets.by_ledger(places).values():
        checks = sets.judged(group, witnesses, is_whole=is_whole)
        yield Verified(f"the set of {sets.label(group)}", tuple(checks), is_set=True)
