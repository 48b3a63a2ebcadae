"""What an auditor asks stands in the evidence of runs and reconciliations, and on the page."""

from __future__ import annotations

import json
import os
import pwd
import socket
from pathlib import Path

import pytest

from messy_migration.evidence import page

from .conftest import Site

TOKEN = "canary-token-4711"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The evidence of two runs and of a reconciliation, with another name in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("USER", "the-auditor")
        patch.setenv("LOGNAME", "the-auditor")
        site = Site(tmp_path_factory.mktemp("told"))
        site.write(".env", f"FILES__STREAMS__PEOPLE__SCHEMA=people.toml\nSHOP_TOKEN={TOKEN}\n")
        site.make()
        proof = site.reconcile(report=True)
    return site, [site.document(0), site.document(1), json.loads(Path(proof.report).read_text())]


def test_g58_who_it_was_is_asked_of_the_operating_system(told):
    _, bodies = told
    name = pwd.getpwuid(os.geteuid()).pw_name
    assert {body["provenance"]["actor"] for body in bodies} == {name}
    assert {body["provenance"]["host"] for body in bodies} == {socket.gethostname()}
    assert bodies[0]["run"]["actor"] == name


def test_g58_it_says_whether_the_target_is_a_sandbox_s(told):
    _, bodies = told
    for body in bodies:
        assert body["provenance"]["for"] == "real"
        assert "real data" in page.render(body)
        other = {**body, "provenance": {**body["provenance"], "for": "sandbox"}}
        assert "a sandbox, and no real data" in page.render(other)


def test_programs_are_named_by_a_digest_of_their_code(told, tmp_path):
    _, bodies = told
    programs = bodies[0]["provenance"]["programs"]
    assert set(programs) == {"messy-migration", "files"}
    assert programs == bodies[2]["provenance"]["programs"]
    for digest in programs.values():
        assert len(digest) == 64
        assert digest in page.render(bodies[2])


def test_settings_stand_in_it_without_secrets(told):
    site, bodies = told
    rows = {key: (value, origin) for key, value, origin in bodies[2]["provenance"]["configuration"]}
    assert rows["quarantine_limit"] == (50.0, "migrate.toml [profiles.default]")
    assert rows["files.streams.people.path"][0] == "people*.csv"
    # Out of a variable a plugin may have a secret under any name.
    assert rows["files.streams.people.schema"] == ("***", ".env")
    for path in (site.folder / "reports").iterdir():
        assert TOKEN not in path.read_text(encoding="utf-8")


def test_what_earlier_runs_left_in_quarantine_is_told(told):
    _, bodies = told
    assert bodies[0]["provenance"]["waiting"] == []
    (left,) = bodies[1]["provenance"]["waiting"]
    assert (left["run_id"], left["stream"], left["entries"]) == (
        bodies[0]["run_id"],
        "files.people",
        1,
    )
    assert bodies[2]["provenance"]["waiting"] == [left]
    assert "Left in quarantine by earlier runs" in page.render(bodies[1])


def test_the_links_before_it_are_named_with_their_heads(told):
    _, bodies = told
    chains = [body["chain"] for body in bodies]
    for number, body in enumerate(bodies):
        links = body["provenance"]["links"]
        assert [link["head"] for link in links] == [chain["head"] for chain in chains[:number]]
        assert [link["evidence"] for link in links] == [one["digest"] for one in bodies[:number]]


def test_a_role_of_the_database_is_named(site):
    result = site.reconcile(report=True)
    body = json.loads(Path(result.report).read_text(encoding="utf-8"))
    role = body["provenance"]["role"]
    if site.kind == "sqlite":
        assert role is None
    else:
        assert (role,) == site.query("SELECT current_user")[0]
        assert role in Path(result.report_page).read_text(encoding="utf-8")
