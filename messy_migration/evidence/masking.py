"""Personal data in what is written down: masked, and still comparable.

A masked value is an HMAC-SHA256 under a key that stays on this machine: equal values have equal
masks in all reports that were written here, and nobody else can try values out.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from messy_migration.redaction import sounds_personal, sounds_secret

# Not behind a slash: the user of a URL is the redactor's business.
_ADDRESS = re.compile(
    r"(?<![\w.%+\-/@])[\w.%+\-]{1,64}(?:@|%40)[^\W_](?:[\w.-]{0,252})\.[^\W\d_]{2,24}",
    re.IGNORECASE,
)


class Mask:
    """Takes secrets and personal data out of what becomes evidence.

    Args:
        key: of the HMAC; None leaves personal data readable.
        redact: takes secrets out of a text.
    """

    def __init__(self, key: bytes | None, redact: Callable[[str], str]) -> None:
        self._key = key
        self._redact = redact

    @property
    def is_on(self) -> bool:
        """Whether personal data is masked."""
        return self._key is not None

    def text(self, text: str) -> str:
        """A text without secrets, and without the e-mail addresses in it."""
        # Halves of surrogate pairs, as in file names that are not UTF-8, cannot be written.
        text = self._redact(text).encode("utf-8", "backslashreplace").decode()
        return _ADDRESS.sub(lambda match: self._token(match[0]), text) if self.is_on else text

    def value(self, name: str, value: str) -> str:
        """The value of a column: whole under its mask if it is personal."""
        if sounds_secret(name):
            return "***"
        if self.is_on and (sounds_personal(name) or _ADDRESS.search(value)):
            return self._token(value)
        return self.text(value)

    def deep(self, value: Any) -> Any:
        """A copy of a JSON value with all texts in it cleaned; keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.deep(entry) for name, entry in value.items()}
        return [self.deep(entry) for entry in value] if isinstance(value, list | tuple) else value

    def _token(self, value: str) -> str:
        data = value.encode("utf-8", "surrogatepass")
        return f"masked:{hmac.new(self._key or b'', data, hashlib.sha256).hexdigest()[:12]}"


def mask_key(path: Path) -> bytes:
    """The key of this machine, made when it is first asked for; readable by its owner alone.

    Where it can be neither read nor written, one that holds for this process.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(secrets.token_hex(32).encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        pass  # it is there already, or cannot be: reading tells
    try:
        found = path.read_bytes()
    except OSError:
        found = b""
    return found if len(found) == 64 else secrets.token_bytes(32)
