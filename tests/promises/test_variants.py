"""Eight deliberately broken variants: each is caught, and what is not broken passes the same.

A scenario is a fault and what must be true after it; it gives what is wrong, in words.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from .conftest import SAMPLED
from .faults.oracle import findings
from .faults.site import ALONE, RUN, strike, until


def undisturbed(site, golden):
    """A run in which nothing goes wrong."""
    result = site.run()
    told = [] if result.code == 0 else [f"exit {result.code}: {result.json.get('verdict')}"]
    return [*told, *findings(site, golden, result)]


def killed_in_a_batch(site, golden):
    """The worker dies when the receipt is written, and when COMMIT was answered."""
    found = []
    for point in ("receipt.after", "commit.after"):
        site.clear()
        middle = golden.hits[point] // 2
        plan = [{"point": point, "hit": middle, "action": "kill9"}]
        result = site.run(*ALONE, plan=plan)
        assert len(site.fired()) == 1
        found += findings(site, golden, result)
    return found


def page_refused(site, golden):
    """A page of a stream that lands cannot be had at first."""
    result = site.run(environment={"FAULTS_PAGE": "shop.customers"})
    told = [] if result.code == 5 else [f"a page could not be read, and the run says {result}"]
    return [*told, *findings(site, golden, site.finish())]


def commit_unanswered(site, golden):
    """COMMIT was carried out, and the connection died before it was answered."""
    plan = [{"point": "commit.after", "hit": golden.hits["commit.after"] // 2, "action": "lost"}]
    result = site.run(*ALONE, plan=plan)
    assert len(site.fired()) == 1
    return findings(site, golden, result)


def orphan_wakes(site, golden):
    """A worker sleeps while its parent dies and a newer run takes over; then it goes on."""
    plan = [{"point": "batch.before", "hit": 3, "action": "stop"}]
    old = site.start(*ALONE, plan=plan, environment={"FAULTS_UNTIED": "untied"})
    assert until(site.fired) is not None
    orphan = site.fired()[0]["pid"]
    assert until(lambda: is_stopped(orphan)) is not None
    old.kill()
    old.wait()
    new = site.start(*RUN, plan=[{"point": "run.opened", "hit": 2, "action": "stop"}])
    assert until(lambda: is_stopped(new.pid)) is not None
    query = f"SELECT count(*) FROM {site.ledger('receipt')}"
    before = site.query(query)
    assert strike(orphan, signal.SIGCONT)
    assert until(lambda: not is_there(orphan)) is not None, "the orphan does not end"
    after = site.query(query)
    strike(new.pid, signal.SIGCONT)
    result = new.wait()
    late = [] if before == after else [f"an orphan committed: {before} receipts became {after}"]
    return [*late, *findings(site, golden, result)]


def reader_fails(site, golden):
    """A table cannot be read when it is to be proven."""
    plan = [{"point": "reconcile.mid", "hit": 2, "action": "unreadable"}]
    result = site.run(*ALONE, plan=plan)
    assert len(site.fired()) == 1
    words = [table["verdict"] for table in result.json["tables"]]
    if result.code == 8 and words.count("UNKNOWN") == 1 and result.json["verdict"] == "UNKNOWN":
        return findings(site, golden, site.finish())
    return [f"a table could not be read, and the run says {result.code} and {words}"]


SCENARIOS = {
    "second-transaction": (killed_in_a_batch, "extra"),
    "ledger-first": (killed_in_a_batch, "lost"),
    "conflict-ignored": (undisturbed, "MISMATCH"),
    "error-ends-paging": (page_refused, "lost"),
    "no-lookup": (commit_unanswered, "the ledger refused a receipt"),
    "no-fence": (orphan_wakes, "an orphan committed"),
    "error-is-match": (reader_fails, "a table could not be read, and the run says 0"),
    "silent-filter": (undisturbed, "lost"),
}
"""Variant -> what brings it to light, and what is then said among other things."""


@pytest.mark.parametrize("kind", SAMPLED)
@pytest.mark.parametrize("scenario", dict.fromkeys(one for one, _ in SCENARIOS.values()))
def test_what_is_not_broken_passes(ground, kind, scenario):
    site, golden = ground(kind)
    assert scenario(site, golden) == []


@pytest.mark.parametrize("kind", SAMPLED)
@pytest.mark.parametrize("variant", SCENARIOS)
def test_a_broken_variant_is_caught(ground, kind, variant):
    site, golden = ground(kind)
    site.variant = variant
    scenario, said = SCENARIOS[variant]
    found = scenario(site, golden)
    assert any(said in text for text in found), found


def is_there(pid):
    return _state(pid) not in "ZX"


def is_stopped(pid):
    return _state(pid) in "Tt"


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"
