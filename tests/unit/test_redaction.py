from __future__ import annotations

import base64
import json
import pickle
from decimal import Decimal
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messy_migration.redaction import MASK, Redactor, sounds_secret

CANARY = 'cana ry/"9+é'


@pytest.mark.parametrize(
    "text, leak",
    [
        ("connect postgresql://bob:hunter2@db/x failed", "hunter2"),
        ("connect postgresql://bob:hunter2@db/x failed", "bob"),
        ("postgresql://bob:hun@ter/2@db/x", "ter/2"),
        ("see https://tok3n@example.org/a", "tok3n"),
        ("password=hunter2 user=bob", "hunter2"),
        ("PGPASSWORD='hun ter2'", "ter2"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("sent Basic Ym9iOmh1bnRlcg==", "Ym9iOmh1bnRlcg"),
        ('{"api_key": "a\\"bcdef", "n": 2}', "bcdef"),
        ("{'access-token': 'abc def'}", "def"),
        ("x-api-key: k1", "k1"),
        ("client_secret=s1&a=b", "s1"),
        ("barcode=9912345", "9912345"),
    ],
)
def test_text_loses_what_looks_secret(text, leak):
    assert leak not in Redactor().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "the token was refused",
        "sqlite:///migration.db",
        "see https://example.org/a?b=c",
        "key = []",
    ],
)
def test_text_without_a_secret_stays(text):
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    "form",
    [
        CANARY,
        quote(CANARY),
        quote(CANARY, safe=""),
        quote_plus(CANARY),
        json.dumps(CANARY),
        json.dumps(CANARY, ensure_ascii=False),
        repr(CANARY),
        CANARY.encode().hex(),
        base64.b64encode(CANARY.encode()).decode(),
        base64.urlsafe_b64encode(CANARY.encode()).decode(),
    ],
)
def test_a_registered_value_is_masked_in_every_encoding(form):
    redactor = Redactor()
    assert redactor.text(f"<{form}>") == f"<{form}>"
    redactor.register(CANARY)
    shown = redactor.text(f"<{form}>")
    assert MASK in shown
    assert form not in shown


@given(st.text("abcxyz019", min_size=8, max_size=24), st.text("uvw", max_size=5))
def test_a_registered_password_is_masked_in_a_basic_header_at_any_alignment(value, user):
    redactor = Redactor()
    redactor.register(value)
    encoded = base64.b64encode(f"{user}:{value}:".encode()).decode()
    shown = redactor.text(encoded)
    assert MASK in shown
    assert len(shown) < 14 + len(user) * 2


def test_short_values_are_not_searched_for():
    redactor = Redactor()
    redactor.register("abc")
    assert redactor.text("abcdef") == "abcdef"


def test_a_password_that_is_a_word_leaves_longer_words_alone():
    redactor = Redactor()
    redactor.register("postgres")
    assert redactor.text("postgresql:// as postgres") == f"postgresql:// as {MASK}"


def test_the_lines_of_a_key_file_are_masked_one_by_one():
    redactor = Redactor()
    redactor.register("-----BEGIN-----\nMIIEvQIBADANBgkqhkiG\n-----END-----\n")
    assert redactor.text("x MIIEvQIBADANBgkqhkiG y") == f"x {MASK} y"


def test_an_event_is_masked_by_key_and_by_content_at_any_depth():
    redactor = Redactor()
    redactor.register("canary-1")
    event = {
        "event": "load canary-1",
        "password": 12345,
        "rows": 3,
        "amount": Decimal("1.20"),
        "ok": True,
        "email": "a@example.org",
        "nested": {"token": ["t1"], "why": ValueError("secret=abc"), "list": [b"canary-1"]},
    }
    assert redactor.event(event) == {
        "event": f"load {MASK}",
        "password": MASK,
        "rows": 3,
        "amount": "1.20",
        "ok": True,
        "email": MASK,
        "nested": {"token": MASK, "why": f"secret={MASK}", "list": [MASK]},
    }
    assert event["password"] == 12345


def test_a_redactor_neither_shows_nor_loses_what_it_knows():
    redactor = Redactor()
    redactor.register("canary-1")
    assert "canary" not in repr(redactor)
    assert pickle.loads(pickle.dumps(redactor)).text("canary-1") == MASK


@given(st.text(max_size=300))
def test_any_text_passes_without_an_error(text):
    redactor = Redactor()
    redactor.register(text)
    assert isinstance(redactor.text(text), str)


@pytest.mark.parametrize("name", ["password", "API_KEY", "apiKey", "X-Auth-Token", "client-secret"])
def test_names_that_sound_secret(name):
    assert sounds_secret(name)


@pytest.mark.parametrize("name", ["key", "path", "workers", "stream"])
def test_names_that_do_not_sound_secret(name):
    assert not sounds_secret(name)
