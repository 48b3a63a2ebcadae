"""Every entry of the catalogue, on every kind of database, in every form: the word that is right.

Read the entries in `catalogue/`; to add one, write what somebody does and the word it must get.
"""

from __future__ import annotations

import pytest

from .catalogue import ENTRIES
from .entries import BETWEEN, BY_VALUE, CLOSING, FORMS, MISMATCH, QUICK

SAYING = set(FORMS) - {BETWEEN, QUICK}
"""Forms that say beside a verdict what an entry wants said."""


def marks(entry):
    if entry.is_open:
        yield pytest.mark.xfail(strict=True, reason=entry.is_open)
    if not entry.is_sampled:
        yield pytest.mark.sweep


CASES = [
    pytest.param(entry, kind, id=f"{entry.id}-{kind}", marks=list(marks(entry)))
    for entry in ENTRIES
    for kind in entry.acts
]


def judged(site_of, entry, kind):
    """(form, what it said) for each form, and whether what had to be so afterwards is."""
    forms = entry.forms_of(kind)
    act = entry.acts[kind]
    if set(forms) - {CLOSING}:
        with site_of(kind) as site:
            login = begun(site, entry)
            site.act(act)
            for form in forms:
                if form != CLOSING:
                    yield form, site.judged(form, login=login)
            check_after(site, entry)
    if CLOSING in forms:
        with site_of(kind) as site:
            login = begun(site, entry)
            yield CLOSING, site.judged(CLOSING, act, login)
            check_after(site, entry)


def begun(site, entry):
    """From now on commands log in as the guest, where the entry says so."""
    login = site.guest if entry.as_guest else ""
    if login:
        site.set_up(login)
    return login


def check_after(site, entry):
    if entry.after:
        query, wanted = entry.after
        assert site.query(site.spelled(query)) == [(wanted,)]


def faults(entry, form, seen):
    """What is wrong with what a form said of an entry, one line each."""
    right = entry.right(form)
    if (seen.word, seen.code) not in right:
        yield f"{form}: said {seen.word} ({seen.code}), right is {right}: {seen.told}"
    is_of_the_entry = form in SAYING and form not in entry.but
    if is_of_the_entry and entry.says not in seen.told:
        yield f"{form}: did not say {entry.says!r}, but: {seen.told}"
    if seen.word == MISMATCH and entry.rows and form in BY_VALUE and seen.rows != entry.rows:
        yield f"{form}: named {seen.rows}, right is {entry.rows}"


@pytest.mark.parametrize("entry, kind", CASES)
def test_the_verdict_is_right(entry, kind, site_of, tally):
    wrong = []
    for form, seen in judged(site_of, entry, kind):
        tally.note(entry, kind, form, seen.word)
        wrong += faults(entry, form, seen)
    assert not wrong, "\n".join([entry.tells, *wrong])


def test_no_verdict_was_false(tally):
    """Counted over all entries that this run has tried."""
    assert tally.said
    assert tally.false_matches() == []
    assert tally.false_mismatches() == []


def test_the_catalogue_holds_at_least_sixty_sentences():
    assert len(ENTRIES) >= 60
    assert len({entry.id for entry in ENTRIES}) == len(ENTRIES)
    assert len({entry.tells for entry in ENTRIES}) == len(ENTRIES)
    assert all(bool(entry.but) == bool(entry.why_but) for entry in ENTRIES)
