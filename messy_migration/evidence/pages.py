"""A page against the evidence beside it: the one that was written with it, or one made again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from messy_migration.errors import ProofError, UsageProblem
from messy_migration.evidence import document as documents
from messy_migration.evidence import page
from messy_migration.evidence.check import Check

_AGAIN = "`migrate report FILE.json` makes the page anew where there is none"


def read(path: Path) -> tuple[str, Path]:
    """The text of a page, and where its evidence is.

    Raises:
        UsageProblem: the page cannot be read.
        ProofError: it is no text, or its evidence is not beside it.
    """
    try:
        if path.stat().st_size > documents.LARGEST:
            raise documents.Unverifiable("the page is larger than any", str(path))
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise ProofError("the page was changed", str(path), "it is not UTF-8") from None
    except OSError as error:
        raise UsageProblem("the file cannot be read", str(path), error.strerror or "") from error
    evidence = path.with_suffix(".json")
    if not evidence.exists():
        raise documents.Unverifiable(
            "the evidence is not beside its page",
            str(path),
            f"there is no {evidence.name}",
            "put both files into one folder: a page alone proves nothing",
        )
    return text, evidence


def checks(document: Mapping[str, Any], text: str, evidence: Path) -> list[Check]:
    """What a page is held against."""
    digest, is_sealed = page.seals(text)
    is_its = digest == document.get("digest")
    return [
        Check("the digest over the page is right", is_sealed, "" if is_sealed else "it is not"),
        Check(
            f"it is the page of {evidence.name}", is_its, "" if is_its else "of another evidence"
        ),
        _follows(document, text),
    ]


def _follows(document: Mapping[str, Any], text: str) -> Check:
    """Every byte of it: it is the page that was written, or this program makes the same one."""
    what = "every byte of it follows from the evidence"
    try:
        facts = document.get("page") or {}
        if facts and page.sha256(page.blanked(text, document)) == facts["sha256"]:
            return Check(what, passed=True)
        if page.renderer_of(text) == page.renderer() or not facts:
            is_same = page.render(document) == text
        else:
            is_same = False
    except Exception as error:  # noqa: BLE001 - a document of any shape may have been forged
        return Check(what, passed=False, why=f"it is not in shape ({type(error).__name__})")
    if is_same:
        return Check(what, passed=True)
    maker = page.renderer_of(text)
    if facts:
        return Check(
            what, passed=False, why=f"it is not the page that was written with it; {_AGAIN}"
        )
    if maker == page.renderer():
        return Check(what, passed=False, why="it was changed")
    who = maker or "an older release, which does not say which"
    return Check(what, None, f"it says that it was made by {who}, and this is {page.renderer()}")
