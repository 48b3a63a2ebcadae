"""Below the client: connections that end on time, and a guard that lets no write call through."""

from __future__ import annotations

import ssl
import time
import urllib.request
import zlib
from collections.abc import Iterable
from functools import cache
from typing import Any

import httpcore2
import httpx2

from messy_migration.http.failures import SourceRefused
from messy_migration.http.retry import Passing
from messy_migration.http.settings import HttpSettings

_CONNECTIONS = httpx2.Limits(max_connections=4, max_keepalive_connections=4)


class Deadline:
    """The moment at which the call in hand ends; each client has one."""

    def __init__(self) -> None:
        self._ends: float | None = None

    def start(self, seconds: float) -> None:
        """The call in hand ends that many seconds from now."""
        self._ends = time.monotonic() + seconds

    def within(self, timeout: float | None) -> float | None:
        """The timeout, or what is left of the call if that is less.

        Raises:
            httpcore2.ReadTimeout: nothing is left.
        """
        if self._ends is None:
            return timeout
        remaining = self._ends - time.monotonic()
        if remaining <= 0:
            raise httpcore2.ReadTimeout
        return remaining if timeout is None else min(timeout, remaining)


class Guard(httpx2.BaseTransport):
    """Lets through GET, and POST to the one address of the token call."""

    def __init__(self, inner: httpx2.BaseTransport, token_url: str) -> None:
        self._inner = inner
        self._token_url = token_url

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass the request on.

        Raises:
            SourceRefused: its method could change something at the source.
        """
        is_token_call = request.method == "POST" and str(request.url) == self._token_url
        if request.method != "GET" and not is_token_call:
            raise SourceRefused(
                f"a {request.method} was not sent",
                f"{request.url.host}{request.url.path}",
                "a source is only read",
            )
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def connections(url: httpx2.URL, deadline: Deadline, *, is_local: bool) -> httpx2.BaseTransport:
    """Pooled connections to one host, through the proxy that the environment names for it."""
    proxies = {} if is_local or urllib.request.proxy_bypass(url.host) else _proxies()
    transport = httpx2.HTTPTransport(
        verify=_trusted(), limits=_CONNECTIONS, proxy=proxies.get(url.scheme)
    )
    # A read timeout starts anew with each byte, and httpx2 has no other; this is the one place
    # through which headers and bodies, plain and TLS, come in.
    transport._pool._network_backend = _Backend(deadline)  # noqa: SLF001
    return transport


@cache
def _trusted() -> ssl.SSLContext:
    # Reading the certificates takes longer than most calls, and there is a client a partition.
    return httpx2.create_ssl_context()


def read_body(response: httpx2.Response, settings: HttpSettings) -> bytes:
    """The body, unpacked; neither what arrives nor what it expands to exceeds the limit.

    Raises:
        Passing: it was cut short.
        SourceRefused: it is too large, or packed in a way that was not asked for.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise refusal(response, "the answer is packed in another way than gzip")
    unpack = zlib.decompressobj(wbits=31) if encoding.endswith("gzip") else None
    too_large = f"the answer is larger than {settings.body:,} bytes"
    declared = response.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > settings.body:
        raise refusal(response, too_large)
    received = 0
    parts: list[bytes] = []
    size = 0
    for chunk in response.iter_raw():
        received += len(chunk)
        part = _unpacked(unpack, chunk, settings.body - size + 1) if unpack else chunk
        size += len(part)
        if max(received, size) > settings.body:
            raise refusal(response, too_large)
        parts.append(part)
    if unpack and received and not unpack.eof:
        raise Passing("the packed answer was cut short")
    return b"".join(parts)


def refusal(response: httpx2.Response, what: str, why: str = "") -> SourceRefused:
    """The refusal of an answer that is not what was asked for."""
    error = SourceRefused(what, f"{response.url.host}{response.url.path}", why)
    error.status = response.status_code
    return error


def _unpacked(unpack: Any, chunk: bytes, room: int) -> bytes:
    try:
        part: bytes = unpack.decompress(chunk, room)
    except zlib.error:
        raise Passing("the packed answer is damaged") from None
    return part


def _proxies() -> dict[str, str]:
    proxies = urllib.request.getproxies()
    both = proxies.get("all")
    return {scheme: url for scheme in ("http", "https") if (url := proxies.get(scheme, both))}


class _Backend(httpcore2.SyncBackend):
    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        stream = super().connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream, self._deadline)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.within(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
