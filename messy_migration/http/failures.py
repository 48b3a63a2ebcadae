"""What a plugin may tell apart when a source does not answer as it should."""

from __future__ import annotations

from messy_migration.errors import SourceError, SourceUnreachable


class SourceUnavailable(SourceUnreachable):
    """The source did not answer in time, or not in full; asking for less may help."""


class SourceRefused(SourceError):
    """The source answered, and asking again would bring the same.

    Attributes:
        status: of the answer: 404 for a record that is listed and not there, 200 for a page
            of HTML; 0 for a request that was not sent.
    """

    status: int = 0

    @classmethod
    def of(cls, status: int, where: str, why: str, next: str) -> SourceRefused:  # noqa: A002
        """The refusal by an answer with this status."""
        error = cls(f"the source answered with status {status}", where, why, next)
        error.status = status
        return error
