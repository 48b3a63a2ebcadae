"""H26: keys and tokens; each refusal costs one call, and no secret shows up anywhere."""

from __future__ import annotations

import logging
import pickle
import traceback
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr

from messy_migration.errors import ConfigurationError, SourceError
from messy_migration.http import Bearer, Client, PasswordGrant, SourceRefused, SourceUnavailable

KEY = "key-canary-8d21"
PERSON = "jo@example.org"
PASSWORD = "pass-canary-77aa &=ü"
TOKENS = ("token-canary-one", "token-canary-two", "token-canary-three")


@pytest.fixture
def grant():
    return PasswordGrant("/API/Token", PERSON, SecretStr(PASSWORD))


def _tokens(server, *lives):
    answers = [
        server.reply({"access_token": token, "token_type": "bearer", "expires_in": life})
        for token, life in zip(TOKENS, lives, strict=False)
    ]
    server.on("/API/Token", *answers)


def _sent(server):
    return [call.headers.get("Authorization") for call in server.calls if call.method == "GET"]


def _nowhere(text):
    assert not [s for s in (KEY, PASSWORD, "pass-canary", "token-canary", PERSON) if s in text]


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_accepted_costs_one_call(server, client_of, status):
    server.on("/list", server.reply({"message": KEY}, status=status))
    with pytest.raises(SourceRefused, match="key") as caught:
        client_of(auth=Bearer(SecretStr(KEY))).get_json("list")
    assert caught.value.status == status
    assert server.count("/list") == 1
    _nowhere(str(caught.value))


def test_the_password_goes_into_one_form_and_the_token_into_every_call(server, client_of, grant):
    _tokens(server, 3600)
    server.on("/list", server.reply([]))
    client = client_of(auth=grant)
    client.get_json("list")
    client.get_json("list")
    assert server.count("/API/Token", "POST") == 1
    token_call = server.calls[0]
    assert token_call.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(token_call.body.decode()) == {
        "grant_type": ["password"],
        "username": [PERSON],
        "password": [PASSWORD],
    }
    assert token_call.query == {}
    assert _sent(server) == [f"Bearer {TOKENS[0]}"] * 2


def test_a_token_that_was_revoked_is_replaced_once(server, client_of, grant):
    _tokens(server, 3600, 3600)
    server.on("/list", server.reply([1]), server.reply(status=401), server.reply([2]))
    client = client_of(auth=grant)
    assert client.get_json("list") == [1]
    assert client.get_json("list") == [2]
    assert _sent(server) == [f"Bearer {t}" for t in (TOKENS[0], TOKENS[0], TOKENS[1])]


def test_a_second_401_in_one_call_ends_it(server, client_of, grant):
    _tokens(server, 3600, 3600, 3600)
    server.on("/list", server.reply(status=401))
    with pytest.raises(SourceRefused) as caught:
        client_of(auth=grant).get_json("list")
    assert caught.value.status == 401
    assert server.count("/list") == 2
    assert server.count("/API/Token", "POST") == 2
    _nowhere(str(caught.value))


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_wrong_password_is_sent_once(server, client_of, grant, status):
    server.on("/API/Token", server.reply({"error_description": PASSWORD}, status=status))
    with pytest.raises(SourceRefused, match="API/Token") as caught:
        client_of(auth=grant).get_json("list")
    assert len(server.calls) == 1
    assert caught.value.exit_code == 5
    _nowhere(str(caught.value))


def test_a_token_call_that_can_pass_is_made_again(server, client_of, grant):
    token = server.reply({"access_token": TOKENS[0]})
    server.on("/API/Token", server.reply(status=503), server.reply(b"{", length=9), token)
    server.on("/list", server.reply([1]))
    assert client_of(auth=grant).get_json("list") == [1]
    assert server.count("/API/Token", "POST") == 3


def test_the_password_follows_no_redirect(server, client_of, grant):
    server.on("/API/Token", server.reply(status=307, headers=[("Location", "/other")]))
    with pytest.raises(SourceRefused, match="redirects"):
        client_of(auth=grant).get_json("list")
    assert [call.path for call in server.calls] == ["/API/Token"]


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"access_token": None},
        {"access_token": 12},
        {"access_token": ""},
        {"access_token": "token-canary\r\nX-Injected: 1"},
        {"access_token": "token-canary ü"},
        {"access_token": "a" * 20_000},
    ],
)
def test_an_answer_without_a_usable_token_ends_it(server, client_of, grant, answer):
    server.on("/API/Token", server.reply(answer))
    with pytest.raises(SourceError, match="no token") as caught:
        client_of(auth=grant).get_json("list")
    assert len(server.calls) == 1
    _nowhere(str(caught.value))


@pytest.mark.parametrize(
    "life, calls", [(0.02, 3), ("0.02", 3), (3600, 1), ("x", 1), (-1, 1), (None, 1), ("NaN", 1)]
)
def test_a_token_is_renewed_before_it_ends(server, client_of, grant, life, calls):
    _tokens(server, life, life, life)
    server.on("/list", server.reply([]))
    client = client_of(auth=grant)
    for _ in range(3):
        client.get_json("list")
        server.over.wait(0.03)
    assert server.count("/API/Token", "POST") == calls


@pytest.mark.parametrize("token", ["", " ", "a b", "a\n", "a\r\nX: 1", "ü", '"a\x00"'])
def test_a_key_that_no_header_can_carry_is_refused_before_any_call(token):
    with pytest.raises(ConfigurationError, match="token is empty or has") as caught:
        Bearer(SecretStr(token))
    assert caught.value.exit_code == 3


def test_the_token_call_is_the_only_post(server, client_of, grant):
    client = client_of(auth=grant)
    for path in ("/API/Token/x", "/list", "/API/Token?x=1"):
        with pytest.raises(SourceRefused, match="only read"):
            client._http.post(f"{server.url}{path}", data={"a": "b"})
    assert server.calls == []


def test_no_secret_in_errors_logs_or_representations(server, client_of, grant, caplog):
    caplog.set_level(logging.DEBUG)
    _tokens(server, 3600, 3600)
    behaviours = [
        server.reply({"message": TOKENS[0]}, status=400),
        server.reply(status=401),
        server.reply(TOKENS[0].encode(), kind="text/html"),
        server.reply(f'["{TOKENS[0]}"'.encode()),
        server.raw(f"HTTP/1.1 200 {TOKENS[0]}\r\nA{TOKENS[0]}\r\n\r\n".encode()),
        server.reply(status=302, headers=[("Location", f"https://x.example/{TOKENS[0]}?{KEY}")]),
        server.reply(status=503),
    ]
    shown = [repr(grant), str(grant), repr(Bearer(SecretStr(KEY)))]
    for behaviour in behaviours:
        server.on("/list", behaviour)
        client = client_of(auth=grant, tries=2)
        with pytest.raises(SourceError) as caught:
            client.get_json("list", {"email": PERSON, "key": KEY})
        error = caught.value
        text = "".join(traceback.format_exception(error))
        shown += [str(error), repr(error), repr(client), str(error.as_dict()), text]
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
    _nowhere("\n".join(shown))
    _nowhere(caplog.text)
    assert "127.0.0.1/list" in caplog.text


def test_errors_cross_processes_with_their_status():
    error = pickle.loads(pickle.dumps(SourceRefused.of(404, "host/path", "why", "next")))
    assert (error.status, error.where) == (404, "host/path")
    assert isinstance(pickle.loads(pickle.dumps(SourceUnavailable("a", "b"))), SourceUnavailable)


@pytest.mark.parametrize(
    "url",
    [
        "http://vivenu.com/api",
        "http://10.0.0.1/api",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "ftp://vivenu.com",
        "vivenu.com/api",
        "",
        "https://",
        "https://user:pass-canary@vivenu.com",
        "https://vivenu.com/?key=key-canary-8d21",
        "https://vivenu.com/#x",
        "https://[::1",
        "https://vivenu.com:99999999/",
    ],
)
def test_a_base_url_that_would_give_secrets_away_is_refused(url):
    with pytest.raises(ConfigurationError) as caught:
        Client(url)
    _nowhere(str(caught.value))


@pytest.mark.parametrize(
    "url", ["https://vivenu.com/api", "http://localhost:1/x", "http://[::1]:80", "http://127.9.9.9"]
)
def test_https_and_this_machine_are_good_base_urls(url):
    Client(url).close()
