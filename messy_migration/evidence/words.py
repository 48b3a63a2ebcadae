"""The verdict in words: what was proven, what was not, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from messy_migration.config.commands import runnable
from messy_migration.evidence import source
from messy_migration.evidence.claims import claims
from messy_migration.evidence.figures import pairs, scope_label, totals
from messy_migration.evidence.notation import number, plural
from messy_migration.ledger.completeness import (
    Completeness,
    headline,
    of_rows,
    problems,
    told,
)

_MARKS = {"MATCH": "\u2713", "MISMATCH": "\u2260", "UNKNOWN": "?", "INCOMPLETE": "!"}


@dataclass(frozen=True)
class _Form:
    """A form of the proof says what it compares with what, by what, and what it leaves open."""

    subject: str
    other: str
    proof: str
    unproven: str


_BY_VALUE = "every value of every row, one by one"
_FORMS = {
    "ledger": _Form(
        "was loaded",
        "the receipts of all runs",
        "the same number of rows, and the same fingerprint over every column of every row",
        "That the source has it so: it was not asked.",
    ),
    "landed": _Form(
        "was read",
        "the values that were read, from their landed files or their inputs",
        _BY_VALUE,
        "That the source has it so now: it was not asked.",
    ),
    "source": _Form(
        "the source has now",
        "the source, which was read again",
        _BY_VALUE,
        "That the source had the same when it was loaded: it was asked as it is now.",
    ),
}


def _form(document: Mapping[str, Any]) -> _Form:
    """The form of a document; of one that names none, or one that is not known, the ledger's."""
    return _FORMS.get(document.get("against", "ledger"), _FORMS["ledger"])


@dataclass(frozen=True)
class Words:
    """What stands on top of the page.

    Attributes:
        mark: a sign for the verdict.
        tone: the class that colours it: the verdict, or INCOMPLETE for a MATCH beside which too
            much was not loaded.
        headline: the verdict in a few words.
        title: what the document is.
        sentence: the verdict, and what was not loaded.
        proven, unproven, claims, next: one line each.
    """

    mark: str
    tone: str
    headline: str
    title: str
    sentence: str
    proven: tuple[str, ...]
    unproven: tuple[str, ...]
    claims: tuple[str, ...]
    next: tuple[str, ...]


def of(document: Mapping[str, Any]) -> Words:
    """The words of a document."""
    verdict = document["verdict"]
    counts = completeness(document)
    tone = verdict if verdict in _MARKS else ""
    if verdict == "MATCH" and problems(counts):
        tone = "INCOMPLETE"
    return Words(
        mark=_MARKS.get(tone, "?"),
        tone=tone,
        headline=headline(verdict, counts),
        title="Migration" if document["kind"] == "run" else "Reconciliation",
        sentence=_sentence(document),
        proven=tuple(_proven(document)),
        unproven=tuple(_unproven(document)),
        claims=claims(document),
        next=tuple(as_typed(document, line) for line in _next(document)),
    )


def as_typed(document: Mapping[str, Any], text: str) -> str:
    """A line with the commands in it as they are typed after the one that wrote the document."""
    try:
        words = shlex.split(document.get("command") or "")
    except ValueError:  # masked in the middle of a quoted word
        words = []
    return runnable(text, words[1:])


def completeness(document: Mapping[str, Any]) -> tuple[Completeness, ...]:
    """What a document says was loaded and what was not; nothing where it is older than that."""
    return of_rows(document.get("completeness", ()))


def _name(entry: Mapping[str, Any]) -> str:
    scope = scope_label(entry["scope"])
    return f"{entry['table']} ({scope})" if scope else str(entry["table"])


def _names(items: list[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(_name(entry) for entry in items))
    return ", ".join(names[:4]) + (f" and {number(len(names) - 4)} more" if len(names) > 4 else "")


def _of(document: Mapping[str, Any], verdict: str) -> list[Mapping[str, Any]]:
    return [entry for entry in document["tables"] if entry["verdict"] == verdict]


def _rows(items: list[Mapping[str, Any]]) -> str:
    rows = sum(entry["expected_rows"] for entry in items)
    return f"{plural(rows, 'row')} in {plural(len({entry['table'] for entry in items}), 'table')}"


def _sentence(document: Mapping[str, Any]) -> str:
    """The verdict, and in the same paragraph what it does not cover."""
    rest = told(completeness(document), number)
    return _claim(document) + (f" Not loaded: {rest}." if rest else "")


def _claim(document: Mapping[str, Any]) -> str:
    if document["verdict"] == "MATCH":
        waived = sum(bool(pairs(entry.get("waivers"))) for entry in document["tables"])
        text = (
            f"Everything that {_form(document).subject} is in the target: "
            f"{_rows(document['tables'])}, held against {_form(document).other}. Nothing is "
            "missing, nothing is extra, nothing is changed."
        )
        return text + (" But for what was waived, which is named below." if waived else "")
    if document["verdict"] == "MISMATCH":
        wrong = _of(document, "MISMATCH")
        subject = _form(document).subject
        return f"The target is not what {subject}: {_names(wrong)} differ{_s(wrong)}."
    if not document["tables"]:
        return "Nothing was compared, so nothing is claimed."
    names = _names(_of(document, "UNKNOWN"))
    subject = _form(document).subject
    return f"It cannot be said whether the target is what {subject}: {names} could not be proven."


def _s(items: list[Mapping[str, Any]]) -> str:
    return "s" if len({_name(entry) for entry in items}) == 1 else ""


def _proven(document: Mapping[str, Any]) -> Iterator[str]:
    right = _of(document, "MATCH")
    if right:
        yield f"{_rows(right)} hold what {_form(document).subject}: {_form(document).proof}."
    yield from (f"{_upper(line)}." for line in source.proven(document.get("sources", ())))
    keys = sum(len(entry["orphans"]) for entry in right)
    if keys:
        yield f"{plural(keys, 'foreign key')} of these tables: no row misses its parent."
    sums = totals(document)
    if document["kind"] == "run" and sums["extracted"]:
        yield (
            f"No record vanished: {number(sums['extracted'])} extracted = {number(sums['loaded'])} "
            f"loaded + {number(sums['quarantined'])} quarantined + {number(sums['filtered'])} "
            "filtered by a named rule."
        )
    ledger = document.get("ledger")
    if ledger and ledger["is_anchored"] and ledger["links"]:
        yield f"Ledger and data were not set back together: {ledger['anchor']}."


def _upper(line: str) -> str:
    return line[:1].upper() + line[1:]


def _unproven(document: Mapping[str, Any]) -> Iterator[str]:
    for entry in _of(document, "MISMATCH") + _of(document, "UNKNOWN"):
        yield f"{_name(entry)}: {entry['reason'] or entry['verdict']}."
    yield from (f"{_upper(line)}." for line in source.unproven(document.get("sources", ())))
    ledger = document.get("ledger") or {}
    for reason in ledger.get("reasons", ()):
        yield f"The ledger: {reason}."
    if ledger and not ledger["is_anchored"]:
        yield f"That ledger and data were not set back together: {ledger['anchor']}."
    for entry in document["tables"]:
        if entry["verdict"] == "MATCH" and entry["reason"]:
            yield f"{_name(entry)}: {entry['reason']}."
        for name, count in pairs(entry.get("waivers")):
            yield f"{_name(entry)}: {number(count)} rows under the waiver {name}."  # type: ignore[arg-type]
    if document.get("unlinked"):
        yield (
            "That this evidence is what was found: it is in no link of the chain "
            f"({document['unlinked']})."
        )
    if document.get("adopted"):
        yield (
            f"{plural(len(document['adopted']), 'change')} of somebody else "
            f"{'was' if len(document['adopted']) == 1 else 'were'} adopted, with a reason each."
        )
    if document["kind"] == "run":
        yield (
            "That the source itself was right, and that rows which are gone from it are gone "
            "from the target: they are never deleted."
        )
    else:
        yield _form(document).unproven


def _next(document: Mapping[str, Any]) -> Iterator[str]:
    for problem in document.get("problems", ()):
        if problem["next"]:
            yield f"{problem['what'][:1].upper()}{problem['what'][1:]}: {problem['next']}."
    if document["verdict"] == "MISMATCH":
        yield (
            "Put the rows below right, then run `migrate reconcile`; if the change was meant, "
            'adopt it with `migrate run --accept-foreign "reason"`.'
        )
    elif document["verdict"] == "UNKNOWN":
        yield "Type the same command again: it goes on where it was, and proves all of it."
    held = document.get("waiting") or totals(document)["quarantined"]
    if held:
        yield (
            f"{plural(held, 'record')} {'waits' if held == 1 else 'wait'} in quarantine. Repair "
            "them at the source and run again."
        )
    if document["verdict"] == "MATCH" and not held and not document.get("problems"):
        yield "Nothing. Keep this page and the evidence file beside it."
