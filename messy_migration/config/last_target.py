"""The target that the commands of a folder last loaded, in a small file that holds no secret.

A run writes it, so that `migrate reconcile` and `migrate status` need no `--target` after it. The
file lies beside migrate.toml in `.migrate`, for its owner alone. A password in the URL stays out
of it; a reference (`env://NAME`) is kept as it is.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import make_url

from messy_migration.config.secrets import is_reference
from messy_migration.config.urls import parse_target
from messy_migration.config.whole import write_whole
from messy_migration.errors import ConfigurationError
from messy_migration.redaction import sounds_secret

if TYPE_CHECKING:
    from messy_migration.config.settings import Settings

FILE = Path(".migrate/target.json")
_SCHEMA = 1
_BIGGEST = 16 * 1024


@dataclass(frozen=True, slots=True)
class LastTarget:
    """What a folder remembers.

    Attributes:
        target: its URL without password, or a reference to one.
        profile: under which it was loaded.
        target_password: the reference to its password, or None.
        left_out: the URL had a password, which is not kept.
    """

    target: str
    profile: str
    target_password: str | None = None
    left_out: bool = False


def of(settings: Settings) -> LastTarget:
    """What is to be remembered of a command."""
    text, password = settings.core.target, settings.core.target_password
    kept = password if is_reference(password) else None
    if is_reference(text):
        return LastTarget(text, settings.profile, kept)
    url = make_url(text)
    plain = url._replace(password=None)  # `set` takes None for a part that stays
    plain = plain.difference_update_query([name for name in url.query if sounds_secret(name)])
    left_out = plain != url or (password is not None and kept is None)
    return LastTarget(plain.render_as_string(hide_password=False), settings.profile, kept, left_out)


def write(settings: Settings) -> None:
    """Remember the target of a command.

    Raises:
        OSError: the folder cannot be written.
    """
    path, last_target = settings.directory / FILE, of(settings)
    content = json.dumps({"schema": _SCHEMA, **asdict(last_target)}, indent=1).encode() + b"\n"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, content)


def read(directory: Path) -> LastTarget | None:
    """What a folder remembers; None where no run has been.

    Raises:
        ConfigurationError: another user may have written the file, or it is damaged.
    """
    path = directory / FILE
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error.strerror or "I/O error") from None
    with os.fdopen(handle, "rb") as file:
        why = _unsafe(os.fstat(file.fileno()))
        if why:
            raise _unusable(path, why)
        content = file.read(_BIGGEST + 1)
    try:
        return _checked(json.loads(content))
    except (ValueError, TypeError, ConfigurationError):
        raise _unusable(path, "it was damaged") from None


def _unsafe(status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file"
    if status.st_uid != os.geteuid():
        return "it belongs to another user"
    if status.st_mode & 0o077:
        return "it is not for its owner alone"
    return ""


def _checked(values: dict[str, Any]) -> LastTarget:
    """The values of the file, each of its own type.

    Raises:
        ValueError, TypeError, ConfigurationError: one of them is not.
    """
    if values.pop("schema") != _SCHEMA:
        raise ValueError("schema")
    last_target = LastTarget(**values)
    texts = (last_target.target, last_target.profile, last_target.target_password or "")
    if not all(isinstance(text, str) for text in texts) or not isinstance(
        last_target.left_out, bool
    ):
        raise TypeError("text")
    if last_target.target_password is not None and not is_reference(last_target.target_password):
        raise ValueError("target_password")
    if not is_reference(last_target.target):
        parse_target(last_target.target)
    return last_target


def _unusable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        "the target that this folder last used is not known",
        str(path),
        why,
        "name the target with --target, or remove the file; the next run writes it anew",
    )
