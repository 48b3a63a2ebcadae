"""The page of an evidence document: one HTML file without script or anything from outside.

It is made from the document alone, so that the same document gives the same bytes. A comment at
its end holds the SHA-256 of the page in which that comment reads 64 zeros.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from messy_migration.evidence import charts, figures, notation, words

if TYPE_CHECKING:
    from jinja2 import Template

_ZEROS = "0" * 64
_AMBER = ".verdict.INCOMPLETE { --tone: var(--UNKNOWN); --tint: var(--UNKNOWN-tint); }\n"
# Apart from the style sheet, so that pages which do not need it are the same bytes as before.
_SEAL = re.compile(r"<!-- page sha256 ([0-9a-f]{64}) -->\n\Z")
_EVIDENCE = re.compile(r'<meta name="evidence" content="([0-9a-f]{64})">')


def render(document: Mapping[str, Any]) -> str:
    """The page of a sealed document."""
    view = {
        "doc": document,
        "words": words.of(document),
        "flow": charts.flow(figures.totals(document)),
        "streams": figures.streams(document),
        "tables": figures.tables(document),
        "quarantine": figures.quarantine(document),
        "differences": figures.differences(document),
        "inputs": figures.inputs(document),
        "money": figures.money(document),
        "totals": figures.totals(document),
        "facts": figures.facts(document),
        "style": _resource("page.css"),
        "amber": _AMBER,
    }
    text = template().render(view).rstrip() + "\n"
    text += f"<!-- page sha256 {_ZEROS} -->\n"
    return text.replace(_ZEROS, hashlib.sha256(text.encode()).hexdigest())


def seals(text: str) -> tuple[str | None, bool]:
    """The digest of the evidence that a page was made of, and whether its own digest is right."""
    match = _SEAL.search(text)
    named = _EVIDENCE.search(text)
    if match is None:
        return (named[1] if named else None), False
    zeroed = text[: match.start(1)] + _ZEROS + text[match.end(1) :]
    is_right = hashlib.sha256(zeroed.encode("utf-8", "surrogatepass")).hexdigest() == match[1]
    return (named[1] if named else None), is_right


def is_page(text: str) -> bool:
    """Whether a text is meant to be such a page."""
    return text.lstrip("\ufeff \n")[:15].lower().startswith(("<!doctype html", "<html"))


@cache
def template() -> Template:
    """The template of a page; compiling it is most of what the first page of a process costs."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(_resource),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = notation.number
    environment.filters["shown"] = notation.shown
    environment.filters["moment"] = notation.moment
    environment.filters["prose"] = notation.prose
    environment.filters["plural"] = notation.plural
    environment.globals["typed"] = words.as_typed
    return environment.get_template("page.html.j2")


def _resource(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
