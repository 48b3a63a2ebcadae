"""Counts over all that the forms said of all entries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .entries import FORMS, GOOD, MISMATCH, TOUCHED


@dataclass
class Tally:
    """What was right, and what was said.

    Attributes:
        open: entries to which the product does not give the right word yet.
        said: (entry, kind, form) -> (the words that are right, the word that was said).
    """

    said: dict = field(default_factory=dict)
    open: set = field(default_factory=set)

    def note(self, entry, kind, form, said):
        """Count one form of one entry on one kind."""
        if entry.is_open:
            self.open.add(entry.id)
            return
        self.said[entry.id, kind, form] = ({word for word, _ in entry.right(form)}, said)

    def false_matches(self):
        """Where harm was called a MATCH."""
        return self._where(lambda right, said: said in GOOD and said not in right)

    def false_mismatches(self):
        """Where nothing was wrong, and a MISMATCH was said."""
        return self._where(lambda right, said: said in (MISMATCH, TOUCHED) and right <= set(GOOD))

    def false_alarms(self):
        """Where nothing was wrong, and something else than a MATCH was said."""
        return self._where(lambda right, said: said not in GOOD and right <= set(GOOD))

    def _where(self, is_wrong):
        return [place for place, words in self.said.items() if is_wrong(*words)]

    def lines(self):
        """A table for people: a line for each kind, a column for each form."""
        if not self.said:
            return
        kinds = dict.fromkeys(kind for _, kind, _ in self.said)
        entries = {name for name, _, _ in self.said}
        yield f"catalogue: {len(entries)} entries, {len(self.said)} verdicts"
        yield "".join(f"{word:>11}" for word in ("kind", "entries", *FORMS))
        for kind in kinds:
            forms = Counter(form for _, one, form in self.said if one == kind)
            count = len({name for name, one, _ in self.said if one == kind})
            yield "".join(f"{word:>11}" for word in (kind, count, *(forms[form] for form in FORMS)))
        for name, found in (
            ("false MATCH", self.false_matches()),
            ("false MISMATCH", self.false_mismatches()),
            ("false alarm", self.false_alarms()),
        ):
            places = "".join(f"; {' '.join(place)}" for place in found)
            yield f"{name}: {len(found)} of {len(self.said)}{places}"
        if self.open:
            yield f"open, and not counted: {', '.join(sorted(self.open))}"
