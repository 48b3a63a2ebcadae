"""The chain inside a document: its link, and the links of its run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from messy_migration.evidence import document as documents
from messy_migration.ledger.chain import PROOF, Link, head_of

Document = Mapping[str, Any]


def chained(document: Document) -> Link:
    """The last link of the run that the document is of."""
    return Link(**document["chain"])


def check_head(document: Document) -> Iterator[str]:
    """The head follows from the fields of its link; else why not."""
    link = chained(document)
    if head_of(link) != link.head:
        yield f"it is {head_of(link)[:12]}, the file says {link.head[:12]}"


def check_link(document: Document) -> Iterator[str]:
    """The link is of this run, this verdict and this content; else why not."""
    link = chained(document)
    is_run = document["kind"] == "run"
    for name, ours, theirs in (
        ("kind", link.kind, "run" if is_run else PROOF),
        ("run", link.run_id, document["run_id"] if is_run else link.run_id),
        ("verdict", link.verdict, document["verdict"]),
        ("digest", link.evidence_digest, documents.digest(document)),
    ):
        if ours != theirs:
            yield f"the {name} of the link is {ours[:13]}, the file says {theirs[:13]}"
    if link.ordinal != document["ledger"]["links"] + 1:
        yield f"it is link {link.ordinal} after {document['ledger']['links']}"
    if not is_run and document["ledger"]["head"] not in ("", link.previous):
        yield f"the link does not follow from link {document['ledger']['links']}"
    if link.ordinal == 1 and not is_run:
        return  # the ledger had no name before its first link
    if link.ordinal == 1 and link.previous != document["ledger"]["id"]:
        yield "the first link does not begin with the name of the ledger"


def check_links(document: Document) -> Iterator[str]:
    """Links that were written while the run went on; older evidence names none."""
    links = [Link(**values) for values in document.get("links", ())]
    for before, link in pairwise([*links, chained(document)]):
        if (link.ordinal, link.previous) != (before.ordinal + 1, before.head):
            yield f"link {link.ordinal} does not follow from link {before.ordinal}"
    for link in links:
        if head_of(link) != link.head or link.evidence_digest:
            yield f"link {link.ordinal} was changed"
