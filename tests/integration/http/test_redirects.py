"""H23 and H29: redirects lead nowhere but to the same server, and take no key elsewhere."""

from __future__ import annotations

import socket

import httpx2
import pytest
from pydantic import SecretStr

from messy_migration.http import Bearer, Client, SourceRefused

KEY = "key-canary-8d21"


def _to(server, place, status=302):
    return server.reply(status=status, headers=[("Location", place)])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_server_is_followed_with_the_key(server, client_of, status):
    server.on("/api/old", _to(server, "/api/new?page=2", status))
    server.on("/api/new", server.reply([1]))
    client = client_of(auth=Bearer(SecretStr(KEY)))
    assert client.get_json("api/old", {"q": "x"}) == [1]
    assert server.calls[-1].headers["Authorization"] == f"Bearer {KEY}"
    assert server.calls[-1].query == {"page": ["2"]}


def test_a_redirect_to_another_server_is_not_followed(server, client_of):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.2)
        for host in ("127.0.0.1", "localhost"):
            place = f"http://{host}:{other.getsockname()[1]}/x?token={KEY}"
            server.on("/list", _to(server, place))
            with pytest.raises(SourceRefused, match=f"redirects to http://{host}") as caught:
                client_of(auth=Bearer(SecretStr(KEY))).get_json("list")
            assert KEY not in str(caught.value)
        with pytest.raises(TimeoutError):
            other.accept()
    assert server.count("/list") == 2


@pytest.mark.parametrize(
    "place",
    [
        "//other.example/list",
        "https://other.example/list",
        "ftp://127.0.0.1/list",
        "file:///etc/passwd",
        "http://user:pass@127.0.0.1:{port}/list",
        "http://[broken/list",
        "https://127.0.0.1:{port}/list",
    ],
)
def test_a_redirect_to_a_doubtful_address_is_refused(server, client_of, place):
    server.on("/list", _to(server, place.format(port=server.server_port)))
    with pytest.raises(SourceRefused, match="redirects to") as caught:
        client_of().get_json("list")
    assert server.count("/list") == 1
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize("place", ["/list", "", "list#part"])
def test_a_redirect_to_itself_ends(server, client_of, place):
    server.on("/list", _to(server, place))
    with pytest.raises(SourceRefused, match="in a circle"):
        client_of().get_json("list")
    assert server.count("/list") <= 2


def test_a_long_chain_ends(server, client_of):
    for n in range(20):
        server.on(f"/{n}", _to(server, f"/{n + 1}"))
    with pytest.raises(SourceRefused, match="in a circle"):
        client_of().get_json("0")
    assert len(server.calls) < 10


def test_https_never_becomes_http():
    asked = []

    def answer(request):
        asked.append(str(request.url))
        return httpx2.Response(302, headers={"Location": "http://api.example/list"})

    with (
        Client("https://api.example", transport=httpx2.MockTransport(answer)) as client,
        pytest.raises(SourceRefused, match=r"redirects to http://api\.example"),
    ):
        client.get_json("list")
    assert asked == ["https://api.example/list"]
