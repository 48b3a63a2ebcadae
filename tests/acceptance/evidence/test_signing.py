"""A signing key by reference, from the configuration to the auditor who has the public one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import messy_migration
from messy_migration.fingerprint.signing import Signer

from .conftest import Site

SECRET = "5" * 64
PUBLIC = Signer(SECRET).public


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """Two runs and a reconciliation under a key."""
    site = Site(tmp_path_factory.mktemp("signed"))
    site.write("signing.key", f"{SECRET}\n")
    site.profile = 'signing_key = "file://signing.key"'
    site.make()
    site.proof = site.migrate("reconcile", "--report")
    assert site.proof.code == 0, site.proof.text
    return site


def reports(site):
    return site.folder / "reports"


def test_screen_evidence_page_and_json_name_the_public_key_and_never_the_other(signed):
    assert f"signed by {PUBLIC}" in signed.proof.out
    texts = [path.read_text(encoding="utf-8") for path in reports(signed).iterdir()]
    texts.append(signed.anchors.read_text(encoding="utf-8"))
    assert all(PUBLIC in text and SECRET not in text for text in texts)
    reported = signed.migrate("reconcile", "--report", "--json").json
    assert reported["evidence"]["signed_by"] == PUBLIC
    assert SECRET not in signed.migrate("config", "show").text


def test_an_auditor_elsewhere_needs_the_public_key_alone(signed, tmp_path, project):
    folder = tmp_path / "handed-over"
    shutil.copytree(reports(signed), folder)
    without = project.migrate("report", "verify", str(folder))
    assert without.code == 8
    assert "CANNOT BE VERIFIED" in without.out
    assert f"--key {PUBLIC} if you trust it" in without.out
    verified = project.migrate("report", "verify", str(folder), "--key", PUBLIC)
    assert verified.code == 0, verified.text
    other = project.migrate("report", "verify", str(folder), "--key", "1" * 64)
    assert other.code == 8
    assert "signed by another key" in other.out


def test_a_revoked_key_is_named(signed):
    body = (signed.folder / "migrate.toml").read_text()
    signed.anchors.rename(signed.folder / "anchors.kept")
    try:
        signed.write(
            "migrate.toml",
            body.replace("[profiles.default]", f'[profiles.default]\nrevoked_keys = ["{PUBLIC}"]'),
        )
        (evidence, *_) = sorted(reports(signed).glob("migration-*.json"))
        result = signed.migrate("report", "verify", str(evidence))
    finally:
        signed.write("migrate.toml", body)
        (signed.folder / "anchors.kept").rename(signed.anchors)
    assert result.code == 8
    assert "which was revoked" in result.out


@pytest.mark.parametrize("secret", ["too short", "-----BEGIN PRIVATE KEY-----\nx\n"])
def test_a_key_that_is_none_is_refused_before_anything_is_written(tmp_path, secret):
    site = Site(tmp_path)
    site.write("signing.key", secret)
    site.profile = 'signing_key = "file://signing.key"'
    with pytest.raises(messy_migration.errors.ConfigurationError, match="no Ed25519 private key"):
        site.make()
    assert not (tmp_path / "reports").exists()
    assert site.query("SELECT count(*) FROM sqlite_master WHERE name = 'people'") == [(0,)]


def test_the_key_itself_is_no_setting(tmp_path):
    site = Site(tmp_path)
    site.configure(f'signing_key = "{SECRET}"')
    result = site.migrate("plan")
    assert result.code == 3
    assert "never the key itself" in result.text
    assert SECRET not in result.text


def test_g55_a_page_is_held_against_the_anchor_as_its_json_is(signed):
    (evidence, *_) = sorted(reports(signed).glob("migration-*.json"))
    for path in (evidence, evidence.with_suffix(".html")):
        result = signed.migrate("report", "verify", str(path), "--anchor", "deadbeefdead")
        assert result.code == 8
        assert "not the one that was given" in result.out
        head = json.loads(evidence.read_text())["chain"]["head"]
        assert signed.migrate("report", "verify", str(path), "--anchor", head[:12]).code == 0


def test_g62_a_page_is_verified_by_a_program_with_another_style(signed, tmp_path):
    package = Path(messy_migration.__file__).parent
    copy = tmp_path / "later" / "messy_migration"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "evidence" / "page.css").open("a", encoding="utf-8") as style:
        style.write("/* of a later release */\n")
    environment = {**os.environ, "PYTHONPATH": str(copy.parent)}
    pages = sorted(str(path) for path in reports(signed).glob("*.html"))
    command = [sys.executable, "-m", "messy_migration", "report", "verify", "--json", *pages]
    process = subprocess.run(
        command, env=environment, cwd=signed.folder, capture_output=True, check=False
    )
    assert process.returncode == 0, process.stdout.decode() + process.stderr.decode()
    checks = [check for one in json.loads(process.stdout)["files"] for check in one["checks"]]
    assert {
        check["passed"]
        for check in checks
        if check["check"] == "every byte of it follows from the evidence"
    } == {True}
