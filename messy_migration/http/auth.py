"""How a client proves who it is: a key that was handed out, or a token got for a password."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pydantic import SecretStr

from messy_migration.errors import ConfigurationError, SourceError

Exchange = Callable[[str, Mapping[str, str]], Any]
"""Path and form fields -> the parsed answer: the one POST that a client can make."""

# What may stand in a header; anything else could end the header and begin another one.
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}\Z")
_LONGEST_LIFE = 86_400.0


class Auth(Protocol):
    """Gives the headers of a request."""

    @property
    def token_path(self) -> str:
        """Where a token comes from, relative to the base URL; empty without such a call."""

    def headers(self, exchange: Exchange) -> Mapping[str, str]:
        """The headers that a request needs."""

    def refresh(self, exchange: Exchange) -> bool:
        """Replace what an answer 401 did not accept; False where there is nothing to replace."""


class Bearer:
    """A key that was handed out, sent as `Authorization: Bearer`.

    Raises:
        ConfigurationError: the key is empty, or has characters that no header can carry.
    """

    token_path = ""

    def __init__(self, token: SecretStr) -> None:
        self._token = token
        if not _TOKEN.match(token.get_secret_value()):
            raise ConfigurationError(
                "a token is empty or has a space, a line break or a character beyond ASCII in it",
                next="store the token again, without quotes or blanks around it",
            )

    def __repr__(self) -> str:
        return "Bearer(***)"

    def headers(self, exchange: Exchange) -> Mapping[str, str]:
        """The header with the key; makes no call."""
        del exchange
        return {"Authorization": f"Bearer {self._token.get_secret_value()}"}

    def refresh(self, exchange: Exchange) -> bool:
        """False: a key that is not accepted stays so."""
        del exchange
        return False


class PasswordGrant:
    """A token got for user name and password, renewed a minute before it ends.

    `path` is relative to the base URL; `fields` are sent beside user name and password.
    `lifetime` is the life of a token in seconds where the answer does not say it.
    """

    def __init__(
        self,
        path: str,
        username: str | SecretStr,
        password: SecretStr,
        token_field: str = "access_token",  # noqa: S107 the name of a field
        expires_field: str = "expires_in",
        *,
        lifetime: float = 3600,
        early: float = 60,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        self.token_path = path
        self._user = username if isinstance(username, SecretStr) else SecretStr(username)
        self._password = password
        self._token_field = token_field
        self._expires_field = expires_field
        self._lifetime = lifetime
        self._early = early
        self._fields = dict(fields if fields is not None else {"grant_type": "password"})
        self._token: SecretStr | None = None
        self._ends = 0.0

    def __repr__(self) -> str:
        return f"PasswordGrant({self.token_path!r}, ***)"

    def headers(self, exchange: Exchange) -> Mapping[str, str]:
        """The header with the token, after getting one if there is none that lasts.

        Raises:
            SourceError: the source does not give one.
        """
        if self._token is None or time.monotonic() >= self._ends:
            self.refresh(exchange)
        token = self._token.get_secret_value() if self._token else ""
        return {"Authorization": f"Bearer {token}"}

    def refresh(self, exchange: Exchange) -> bool:
        """Get a new token; True.

        Raises:
            SourceError: the source does not give one.
        """
        self._token = None
        form = {
            **self._fields,
            "username": self._user.get_secret_value(),
            "password": self._password.get_secret_value(),
        }
        answer = exchange(self.token_path, form)
        token = answer.get(self._token_field) if isinstance(answer, dict) else None
        if not isinstance(token, str) or not _TOKEN.match(token):
            raise SourceError(
                "the source gave no token for user name and password",
                self.token_path,
                f"its answer has no usable field {self._token_field!r}",
                "check token_field and the path of the token call",
            )
        life = _seconds(answer.get(self._expires_field), self._lifetime)
        self._ends = time.monotonic() + max(life - self._early, life / 2)
        self._token = SecretStr(token)
        return True


def _seconds(value: object, fallback: float) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        return fallback
    return min(seconds, _LONGEST_LIFE) if seconds > 0 else fallback
