"""The page of an evidence document: one HTML file without script or anything from outside.

It is made from the document alone, so that the same document gives the same bytes. A comment at
its end holds the SHA-256 of the page in which that comment reads 64 zeros. The page names the
program that made it, and the evidence holds the SHA-256 of the page without digest and head: a
later release with another style verifies it without making it again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from messy_migration.evidence import charts, figures, notation, words

if TYPE_CHECKING:
    from jinja2 import Template

_ZEROS = "0" * 64
_AMBER = ".verdict.INCOMPLETE { --tone: var(--UNKNOWN); --tint: var(--UNKNOWN-tint); }\n"
_SEAL = re.compile(r"<!-- page sha256 ([0-9a-f]{64}) -->\n\Z")
_DIGEST, _HEAD = "[the digest of the evidence]", "[the head of the chain]"
_RENDERER = re.compile(r'<meta name="renderer" content="([ -~]{1,80})">')
_MADE_OF = (
    *("page.html.j2", "page.css", "page.py", "words.py", "figures.py", "charts.py"),
    *("notation.py", "claims.py", "source.py"),
)
_EVIDENCE = re.compile(r'<meta name="evidence" content="([0-9a-f]{64})">')


def render(document: Mapping[str, Any]) -> str:
    """The page of a sealed document, as this program makes it."""
    return filled(blank(document), document)


def blank(document: Mapping[str, Any]) -> str:
    """The page of a document before its digest and its head are known."""
    chain = {"chain": {**document["chain"], "head": _HEAD}} if "chain" in document else {}
    document = {**document, "digest": _DIGEST, **chain}
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
        "renderer": renderer(),
    }
    return template().render(view).rstrip() + "\n"


def filled(text: str, document: Mapping[str, Any]) -> str:
    """A blank page with the digest and the head of its document, and its own digest."""
    text = text.replace(_DIGEST, document["digest"])
    if "chain" in document:
        text = text.replace(_HEAD, document["chain"]["head"])
    text += f"<!-- page sha256 {_ZEROS} -->\n"
    return text.replace(_ZEROS, hashlib.sha256(text.encode()).hexdigest())


def blanked(text: str, document: Mapping[str, Any]) -> str:
    """A page as it was before its digest and its head were known."""
    text = _SEAL.sub("", text)
    head = document.get("chain", {}).get("head", "")
    for value, token in ((document["digest"], _DIGEST), (head, _HEAD)):
        if len(value) == len(_ZEROS):
            text = text.replace(value, token)
    return text


def sha256(blank_text: str) -> str:
    """The digest of a blank page, which the evidence holds."""
    return hashlib.sha256(blank_text.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def renderer() -> str:
    """Which program makes the page: its version, and a digest of what the page follows from."""
    digest = hashlib.sha256()
    for name in _MADE_OF:
        digest.update(_resource(name).encode())
    return f"messy-migration {version('messy-migration')} {digest.hexdigest()[:16]}"


def renderer_of(text: str) -> str:
    """Which program a page says that it was made by; empty where it says nothing."""
    match = _RENDERER.search(text)
    return match[1] if match else ""


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
