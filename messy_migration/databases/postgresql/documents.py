"""Documents of PostgreSQL's type json as text that can be held against a jsonb, without a loss.

A json keeps the text that it was given. As a jsonb it would lose all but the last of equal
names, and a document with U+0000, half of a surrogate pair or a number out of range would end
the statement. Such a document stays the text that it is, which equals no jsonb.
"""

from __future__ import annotations

__all__ = ["comparable"]

_LIKE = "OPERATOR(pg_catalog.~)"
# Escaped backslashes are taken out first: what follows one of them is no escape.
_ESCAPES = r"pg_catalog.replace({t}, '\\', '')"
_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_UNPAIRED = rf"pg_catalog.regexp_replace({_ESCAPES}, '{_PAIR}', '', 'g')"
_NO_TEXT = (
    rf"pg_catalog.strpos({{t}}, '\u') OPERATOR(pg_catalog.>) 0"
    rf" AND {_UNPAIRED} {_LIKE} '\\u(?:0000|[dD][89a-fA-F])'"
)
# Every string as one quote: what is left are numbers, words and signs, a colon for each name.
_BARE = r"""pg_catalog.regexp_replace({t}, '"(?:[^"\\]|\\.)*"', '"', 'g')"""
_HUGE = r"'[eE]\+?0*[1-9][0-9]{5}|[eE]-0*[1-9][0-9]{4}'"
_NAMES = f"pg_catalog.length(pg_catalog.regexp_replace({_BARE}, '[^:]', '', 'g'))"


def comparable(x: str) -> str:
    """A column of type json as an SQL expression of type text.

    The text that its jsonb has; the document's own text where that would lose something.
    """
    text, document = f"{x}::pg_catalog.text", f"{x}::pg_catalog.jsonb::pg_catalog.text"
    has_no_text, bare = _NO_TEXT.replace("{t}", text), _BARE.replace("{t}", text)
    names = [_NAMES.replace("{t}", spelled) for spelled in (text, document)]
    return (
        f"CASE WHEN {has_no_text} THEN {text} WHEN {bare} {_LIKE} {_HUGE} THEN {text}"
        f" WHEN {names[0]} OPERATOR(pg_catalog.<>) {names[1]} THEN {text} ELSE {document} END"
    )
