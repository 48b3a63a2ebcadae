"""What all results of the API can do: be JSON, be shown in a notebook, and be held to a verdict."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any, Self

from messy_migration.errors import MigrationError, ProofError
from messy_migration.redaction import Redactor

_MOST = 200
"""Rows of a table that a notebook shows; all are in `as_json`."""
_TONES = {"MATCH": "#1a7f37", "MISMATCH": "#cf222e", "UNKNOWN": "#9a6700"}


class Result:
    """The common part of the values that `run`, `plan`, `reconcile`, `compare` and `status` give.

    A value of it has an `exit_code`, as the command of the same name would end, and a `redactor`
    that knows the secrets which were read on the way.
    """

    exit_code: int
    redactor: Redactor

    def as_json(self) -> dict[str, Any]:
        """The object that the command of the same name prints with `--json`."""
        whole: dict[str, Any] = self._without_secrets({"schema": 1, **self._object()})
        return whole

    def raise_for_verdict(self) -> Self:
        """The value itself, if all is well; for scripts that must not go on otherwise.

        Raises:
            MigrationError: the command would end with another exit code than 0; the error is the
                problem that says so, or a ProofError with the verdict.
        """
        if self.exit_code == 0:
            return self
        for problem in self._problems():
            if problem.exit_code == self.exit_code:
                raise problem
        error = ProofError(self._headline())
        error.exit_code = self.exit_code
        raise error

    def _repr_html_(self) -> str:
        """The verdict in words, and the tables under it, as a notebook shows them."""
        headline = self.redactor.known(self._headline())
        tone = _TONES.get(headline.partition(" ")[0].rstrip(":;,"), "inherit")
        shown = self.as_json()
        parts = [f'<p><strong style="color:{tone}">{html.escape(headline)}</strong></p>']
        parts += [
            f"<p>{html.escape(self.redactor.known(str(problem)))}</p>"
            for problem in self._problems()
        ]
        for name, columns in self._columns().items():
            parts.append(_table(name, columns, shown.get(name, ())))
        return "".join(parts)

    def _object(self) -> dict[str, Any]:
        raise NotImplementedError

    def _headline(self) -> str:
        raise NotImplementedError

    def _problems(self) -> Sequence[MigrationError]:
        return ()

    def _columns(self) -> Mapping[str, Sequence[str]]:
        """List of the JSON object -> the columns of it that are shown."""
        raise NotImplementedError

    def _without_secrets(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.redactor.known(value)
        if isinstance(value, Mapping):
            return {name: self._without_secrets(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._without_secrets(part) for part in value]
        return value


def _table(name: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{html.escape(column.replace('_', ' '))}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{_cell(row.get(column))}</td>' for column in columns)}</tr>"
        for row in rows[:_MOST]
    )
    more = f"<p>and {len(rows) - _MOST:,} more</p>" if len(rows) > _MOST else ""
    caption = f"<caption>{html.escape(name)}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return html.escape(", ".join(f"{name}={part}" for name, part in value.items()))
    if isinstance(value, list | tuple):
        return (
            f"{len(value):,}"
            if value and isinstance(value[0], Mapping)
            else html.escape(", ".join(map(str, value)))
        )
    return html.escape(str(value))
