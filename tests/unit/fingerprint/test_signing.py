"""Whoever has the public key tells what was signed from everything else; nobody sees the other."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace

import pytest

from messy_migration.errors import ConfigurationError, UsageProblem
from messy_migration.fingerprint import signing
from messy_migration.fingerprint.signing import Signer, is_signed, public_key

SECRET = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
"""The first of RFC 8032."""
PEM = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
"""
PUBLIC_PEM = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
"""
AT = "2026-12-01T02:03:04Z"


@pytest.mark.parametrize("secret", [SECRET, SECRET.upper(), f" {SECRET}\n", PEM])
def test_a_key_is_hexadecimal_or_pem(secret):
    assert Signer(secret).public == PUBLIC


@pytest.mark.parametrize(
    "changed",
    [
        {"at": "2026-12-01T02:03:05Z"},
        {"key": "0" * 64},
        {"key": PUBLIC.upper()},
        {"value": "0" * 128},
        {"value": ""},
        {"value": "ä" * 128},
        {"key": "f" * 64},
    ],
)
def test_nothing_of_a_signature_can_be_changed(changed):
    signature = Signer(SECRET).sign("evidence", ["digest", "head"], AT)
    assert is_signed("evidence", ["digest", "head"], signature)
    assert not is_signed("evidence", ["digest", "head"], replace(signature, **changed))
    assert not is_signed("anchor", ["digest", "head"], signature)
    assert not is_signed("evidence", ["digesthead"], signature)


@pytest.mark.parametrize(
    "secret", ["", "no key at all", SECRET[:-1], PUBLIC_PEM, PEM.replace("MC4", "MC5")]
)
def test_what_is_no_private_key_is_refused_and_not_shown(secret):
    with pytest.raises(ConfigurationError, match="no Ed25519 private key") as caught:
        Signer(secret)
    assert not secret or secret not in str(caught.value)


def test_a_public_key_is_given_in_any_form(tmp_path):
    path = tmp_path / "auditor.pem"
    path.write_text(PUBLIC_PEM)
    assert {public_key(text) for text in (PUBLIC, PUBLIC.upper(), PUBLIC_PEM, str(path))} == {
        PUBLIC
    }


@pytest.mark.parametrize("text", ["", "x", PUBLIC[:-1], PEM, "no/such/file", "."])
def test_what_is_no_public_key_is_usage(text):
    with pytest.raises(UsageProblem, match="no Ed25519 public key"):
        public_key(text)


def test_a_key_shows_only_what_is_public_and_leaves_no_process():
    signer = Signer(SECRET)
    assert repr(signer) == f"Signer({PUBLIC})"
    with pytest.raises(TypeError, match="not sent"):
        pickle.dumps(signer)


def test_without_the_library_it_says_what_to_install(monkeypatch):
    signature = Signer(SECRET).sign("evidence", [], AT)
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    for act in (
        lambda: Signer(SECRET),
        lambda: public_key(PUBLIC_PEM),
        lambda: is_signed("evidence", [], signature),
    ):
        with pytest.raises(ConfigurationError) as caught:
            act()
        assert caught.value.next == signing.INSTALL


def test_a_command_without_a_key_does_not_load_the_library():
    code = "import sys, messy_migration.workspace; print('cryptography' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert process.stdout.strip() == b"False"
