"""A client that only reads: every call ends in a value or in one clear error.

What can pass is tried again with pauses of random length; what cannot ends at once. Errors name
host and path; queries, bodies and headers are in none of them, since they hold personal data
and tokens.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

from messy_migration.errors import ConfigurationError, SourceError
from messy_migration.http.auth import Auth
from messy_migration.http.exact import Malformed, parse
from messy_migration.http.failures import SourceRefused, SourceUnavailable
from messy_migration.http.retry import PASSING, Passing, call, retry_after
from messy_migration.http.settings import HttpSettings
from messy_migration.http.transport import Deadline, Guard, connections, read_body, refusal
from messy_migration.model.event import tell
from messy_migration.model.events import CircuitOpened, HttpFailed
from messy_migration.model.usage import CALLS

Value = str | int | None
Params = Mapping[str, Value] | Sequence[tuple[str, Value]]

_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_JSON = frozenset({"application/json", "text/json"})
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "User-Agent": "messy-migration",
}
_NEXT = {
    401: "check the key or the password of this account",
    403: "ask for a key that may read this",
    404: "check the path in the settings",
}


class Client:
    """Reads JSON from one base URL; a context manager, for one thread at a time.

    `deny` names keys that are dropped from every answer; `rate` is the most calls per second
    that this client makes; `transport` replaces the network in tests.

    Raises:
        ConfigurationError: the base URL is not https (or http to this machine), or carries a
            password, a query or a fragment.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: Auth | None = None,
        deny: Collection[str] = (),
        settings: HttpSettings | None = None,
        rate: float | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._settings = settings or HttpSettings()
        self._base, is_local = _checked(base_url)
        self._auth = auth
        self._deny = frozenset(deny)
        self._gap = 1 / rate if rate else 0.0
        self._free = 0.0
        self._failures = 0
        self._deadline = Deadline()
        inner = transport or connections(self._base, self._deadline, is_local=is_local)
        token_url = str(self._url(auth.token_path)) if auth and auth.token_path else ""
        self._http = httpx2.Client(
            transport=Guard(inner, token_url),
            headers=_HEADERS,
            timeout=httpx2.Timeout(self._settings.read, connect=self._settings.connect),
            # Nothing here needs cookies; a jar would send back whatever was put into it.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
        )
        # It logs whole addresses with their queries, and every header.
        for name in ("httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)

    def __repr__(self) -> str:
        return f"Client({self._base.host}{self._base.path})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get_json(self, path: str, params: Params = (), *, tries: int | None = None) -> Any:
        """The answer to a GET: an object or a list, numbers exact, denied keys dropped.

        `path` is relative to the base URL. `tries` replaces that of the settings, for a caller
        that can ask for less instead.

        Raises:
            SourceUnavailable: every try failed in a way that may pass.
            SourceRefused: a status such as 403 or 404, an answer that is no JSON, too large,
                ambiguous, or a redirect elsewhere.
        """
        url = self._url(path).copy_merge_params(_pairs(params))
        return self._retried("GET", url, tries or self._settings.tries)

    def _token(self, path: str, form: Mapping[str, str]) -> Any:
        return self._retried("POST", self._url(path), self._settings.tries, form)

    def _retried(
        self, method: str, url: httpx2.URL, tries: int, form: Mapping[str, str] | None = None
    ) -> Any:
        label = _place(url)

        def attempt() -> Any:
            if self._failures >= self._settings.breaker:
                raise SourceUnavailable(
                    "the source keeps failing",
                    label,
                    f"{self._failures} calls in a row failed, nothing more is sent",
                    "run the same command again when it is well; it resumes",
                )
            try:
                value = self._exchange(method, url, form)
            except Passing as error:
                self._failures += 1
                tell(HttpFailed(place=label, why=error.why))
                if self._failures == self._settings.breaker:
                    what = "a source keeps failing, nothing more is sent to it"
                    tell(CircuitOpened(what=what, where=label, why=error.why))
                raise
            self._failures = 0
            return value

        try:
            return call(attempt, self._settings, tries)
        except Passing as error:
            raise SourceUnavailable(
                f"the source gave no usable answer (tries: {error.tried})",
                label,
                error.why,
                "run the same command again; it resumes",
            ) from None

    def _exchange(self, method: str, url: httpx2.URL, form: Mapping[str, str] | None) -> Any:
        """One attempt: a call, a second one with a new token after 401, and its redirects."""
        status, value = self._call(method, url, form)
        if (
            status == 401
            and form is None
            and self._auth is not None
            and self._auth.refresh(self._token)
        ):
            status, value = self._call(method, url, form)
        if status != 200:
            why = "" if form is None else "user name and password got no token"
            hint = _NEXT.get(status, "") if form is None else _NEXT[401]
            raise SourceRefused.of(status, _place(url), why, hint)
        return value

    def _call(
        self, method: str, url: httpx2.URL, form: Mapping[str, str] | None
    ) -> tuple[int, Any]:
        seen = {url}
        while True:
            headers = self._auth.headers(self._token) if self._auth and form is None else {}
            self._wait()
            self._deadline.start(self._settings.answer)
            request = self._http.build_request(method, url, headers=dict(headers), data=form)
            CALLS.count += 1
            try:
                response = self._http.send(request, stream=True)
                with closing(response):
                    if response.status_code not in _REDIRECTS:
                        return response.status_code, self._value(response)
                    url = self._redirected(response, is_token_call=form is not None)
            except httpx2.HTTPError as error:
                raise Passing(_reason(error)) from None
            if url in seen or len(seen) > _MOST_REDIRECTS:
                raise refusal(response, "the source redirects in a circle")
            seen.add(url)

    def _value(self, response: httpx2.Response) -> Any:
        status = response.status_code
        if status in PASSING:
            asked = retry_after(response.headers.get("retry-after"))
            raise Passing(f"status {status}", asked)
        if status != 200:
            return None
        kind, _, rest = response.headers.get("content-type", "").partition(";")
        kind = kind.strip().lower()
        if kind not in _JSON and not (kind.startswith("application/") and kind.endswith("+json")):
            raise refusal(response, "the source answered with something else than JSON")
        charset = rest.lower().partition("charset=")[2].strip(' "')
        if charset not in {"", "utf-8", "utf8", "us-ascii"}:
            raise refusal(response, "the source answered in another encoding than UTF-8")
        try:
            value = parse(read_body(response, self._settings), self._deny)
        except Malformed as error:
            if error.passing:
                raise Passing(f"the answer is broken: {error}") from None
            raise refusal(response, "the answer cannot be trusted", str(error)) from None
        if not isinstance(value, dict | list):
            raise refusal(response, "the answer is neither an object nor a list")
        return value

    def _redirected(self, response: httpx2.Response, *, is_token_call: bool) -> httpx2.URL:
        try:
            url = response.url.join(response.headers.get("location", ""))
        except httpx2.InvalidURL:
            raise refusal(response, "the source redirects to no valid address") from None
        same = (url.scheme, url.host, url.port) == (
            self._base.scheme,
            self._base.host,
            self._base.port,
        )
        if not same or url.userinfo or is_token_call:
            raise refusal(response, f"the source redirects to {url.scheme}://{url.host}")
        return url

    def _url(self, path: str) -> httpx2.URL:
        if not set("?#\\").isdisjoint(path) or ".." in path.split("/"):
            raise SourceError("a path has characters in it that lead elsewhere", self._base.host)
        try:
            return self._base.copy_with(path=f"{self._base.path.rstrip('/')}/{path.lstrip('/')}")
        except httpx2.InvalidURL:
            raise SourceError("a path is not valid", self._base.host) from None

    def _wait(self) -> None:
        """Sleep until the rate allows another call."""
        now = time.monotonic()
        if self._free > now:
            time.sleep(self._free - now)
        self._free = max(self._free, now) + self._gap


def _checked(base_url: str) -> tuple[httpx2.URL, bool]:
    """The base URL, and whether it is on this machine."""
    try:
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        _ = parts.port  # raises where it is none
        url = httpx2.URL(base_url)
    except (ValueError, httpx2.InvalidURL):
        raise ConfigurationError("a base URL is not valid") from None
    is_local = _is_loopback(host)
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_local)):
        raise ConfigurationError(
            "a base URL has to start with https://",
            host,
            "keys and personal data would travel in the clear",
            "write https://, or http:// with a loopback address for a server on this machine",
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError(
            "a base URL may not hold a user, a query or a fragment",
            host,
            next="set the credentials in their own settings",
        )
    return url, is_local


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _pairs(params: Params) -> httpx2.QueryParams:
    pairs = params.items() if isinstance(params, Mapping) else params
    return httpx2.QueryParams([(name, str(value)) for name, value in pairs if value is not None])


def _place(url: httpx2.URL) -> str:
    return f"{url.host}{url.path}"


def _reason(error: httpx2.HTTPError) -> str:
    """Why a call failed, without the text of the error: that may quote headers and addresses."""
    if isinstance(error, httpx2.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, httpx2.TimeoutException):
        return "no whole answer in time"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return f"no connection, {cause.strerror.lower()}"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.RemoteProtocolError):
        return "the answer broke off, or was no HTTP"
    return f"the call failed ({type(error).__name__})"
