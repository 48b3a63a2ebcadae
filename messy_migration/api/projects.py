"""Which settings a script works with, as typed values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from messy_migration.discovery import parse_names
from messy_migration.errors import UsageProblem
from messy_migration.workspace import Request


def project(
    folder: Path | str = ".",
    *,
    config: Path | str | None = None,
    profile: str | None = None,
    target: str | None = None,
    plugins: Sequence[str] | None = None,
    workers: int | None = None,
) -> Request:
    """The settings of a folder, as the commands that are typed in it would find them.

    Nothing is read yet: what is wrong in a file is told by the act that reads it.

    Args:
        folder: with `migrate.toml`, `.env` and `.migrate`; relative paths start there.
        config: another configuration file; relative to `folder`.
        profile: a profile in it.
        target: the URL of the target, without a password, or a reference such as env://NAME.
        plugins: their names, in order.
        workers: processes that read and load, 1 to 64.

    Raises:
        UsageProblem: there is no such folder, or a name or a number is none.
    """
    where = Path(folder).expanduser().absolute()
    if not where.is_dir():
        raise UsageProblem("the folder of the project is not there", str(where))
    if workers is not None and not 1 <= workers <= 64:
        raise UsageProblem("workers are from 1 to 64", f"workers={workers}")
    names = None if plugins is None else parse_names(",".join(_listed(plugins)))
    options: dict[str, Any] = {"target": target, "plugins": names, "workers": workers}
    return Request(
        None if config is None else Path(config),
        profile,
        {name: value for name, value in options.items() if value is not None},
        directory=where,
    )


def _listed(plugins: Sequence[str]) -> Sequence[str]:
    return [plugins] if isinstance(plugins, str) else plugins
