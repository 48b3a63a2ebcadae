"""Killed at twenty seeded moments: nothing is lost, doubled, or asked of a source again.

Four chains of five kills, each on a target of its own, against sandboxes that stay up. The
parent is killed with signal 9 while a request is under way, between two batches, or while it
adds stubs; then the same command is typed again.
"""

from __future__ import annotations

import json
import random
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from messy_migration.testing.result import Result
from messy_migration_eventcombo.source import _slice_of

from .served import EVENT_LIST
from .site import waited

CHAINS = 4
MOMENTS = ("request", "batch", "request", "batch", "stub")
TUNING = {"batch_records": 100}
WINDOWS = {"begin": "2025-07-01", "window_days": 182}


@dataclass
class Chain:
    """What became of one target: its site, its end, and what was seen at each kill."""

    site: object
    sources: object
    result: Result | None = None
    kills: list = field(default_factory=list)


@pytest.fixture(scope="module")
def chains(new_site, new_sources, undisturbed):
    """All chains, two of them at a time."""
    *_, calls, _ = undisturbed

    def live(number):
        with new_sources() as sources:
            site = new_site().configure(sources, core=TUNING, **WINDOWS)
            chain = Chain(site, sources)
            chance = random.Random(f"chain {number}")
            for moment in MOMENTS:
                kill(chain, moment, chance, len(calls))
            chain.result = site.run()
            return chain

    with ThreadPoolExecutor(2) as both:
        return list(both.map(live, range(CHAINS)))


def kill(chain, moment, chance, requests):
    """Start the command, kill it at the moment, and note what had landed and was committed."""
    site, sources = chain.site, chain.sources
    before = committed(site, "load")
    process = site.start("run", "--workers", str(chance.choice([1, 2])))
    if moment == "request":
        left = chance.randrange(2, requests // len(MOMENTS))

        def count():
            nonlocal left
            left -= 1
            if left == 0:
                process.signal(signal.SIGKILL)

        sources.listen(count)
    else:
        kind, wanted = (
            ("stub", 1) if moment == "stub" else ("load", before + chance.randrange(1, 12))
        )
        waited(
            lambda: process.process.poll() is not None or committed(site, kind) >= wanted,
            f"{wanted} receipts of the kind {kind}",
        )
        process.signal(signal.SIGKILL)
    assert process.wait().code == -signal.SIGKILL, f"the run ended before its {moment} came"
    sources.listen(None)
    chain.kills.append((moment, landings(site), committed(site, "load")))


def committed(site, kind):
    """How many receipts there are; none before there is a ledger."""
    with suppress(sqlite3.OperationalError):
        return site.count(site.ledger("receipt"), f"kind = '{kind}'")
    return 0


def landings(site):
    """(stream, tenant, digest) -> when it landed."""
    with suppress(sqlite3.OperationalError):
        query = f"SELECT stream, tenant, partition, landed_at FROM {site.ledger('landing')}"
        return {tuple(place): at for *place, at in site.query(query)}
    return {}


@pytest.mark.parametrize("number", range(CHAINS))
def test_twenty_kills_leave_the_target_as_an_undisturbed_run_does(chains, undisturbed, number):
    _, expected, _, _ = undisturbed
    chain = chains[number]
    result = chain.result.matched()
    assert result.json["resumed"] is True
    assert result.fingerprints == expected.fingerprints
    runs = chain.site.query(f"SELECT state FROM {chain.site.ledger('run')}")
    assert runs == [("done",)]
    for stream in expected.json["streams"]:
        found = result.stream(stream["stream"], stream["tenant"])
        for name in ("extracted", "loaded", "quarantined", "filters"):
            assert found[name] == stream[name], (stream["stream"], name)


@pytest.mark.parametrize("number", range(CHAINS))
def test_no_partition_is_asked_for_again_after_it_landed(chains, number):
    site, calls = chains[number].site, chains[number].sources.calls
    landed = landings(site)
    asked = {place: [] for place in landed}
    places = Places(site)
    for call in calls:
        if call.stream:
            asked[places.of(call)].append(call.at)
    for place, moments in asked.items():
        assert moments or place[0] == "eventcombo.events", f"{place} landed and was never asked for"
        assert all(at < landed[place] for at in moments), f"{place} was asked for after it landed"
    last = max(at for place, at in landed.items() if place[0].startswith("eventcombo."))
    assert all(call.at < last for call in calls if call.path == EVENT_LIST)
    assert chains[number].sources.writes == 0


@pytest.mark.parametrize("number", range(CHAINS))
def test_what_landed_before_a_kill_stays_landed(chains, number):
    final = landings(chains[number].site)
    for _, landed, _ in chains[number].kills:
        assert landed.items() <= final.items()


def test_the_kills_came_while_partitions_landed_and_while_they_were_loaded(chains):
    kills = [
        (moment, len(landed), batches, len(landings(chain.site)), committed(chain.site, "load"))
        for chain in chains
        for moment, landed, batches in chain.kills
    ]
    assert len(kills) == CHAINS * len(MOMENTS) == 20
    for moment, landed, batches, partitions, total in kills:
        assert landed < partitions or moment == "stub"
        assert (batches == total) is (moment == "stub")
    assert len({landed for _, landed, *_ in kills}) >= 8, "the kills came all at one place"


class Places:
    """Which partition a request belongs to, by the bounds that the ledger keeps."""

    def __init__(self, site):
        query = f"SELECT stream, tenant, digest, bounds FROM {site.ledger('partition')}"
        self._windows = {}
        self._slices = {}
        for stream, tenant, digest, text in site.query(query):
            bounds, place = json.loads(text), (stream, tenant, digest)
            if "slice" in bounds:
                self._slices[stream, bounds["slice"]] = (place, bounds["of"])
            else:
                window = (bounds["from"], bounds["to"])
                self._windows[stream, tenant, window] = place
                if stream == "vivenu.coupons":
                    self._windows[stream, tenant, (None, None)] = place

    def of(self, call):
        """(stream, tenant, digest) of a request."""
        if call.plugin == "vivenu":
            asked = call.asked
            window = (asked.get("updatedAt[$gte]"), asked.get("updatedAt[$lt]"))
            return self._windows[call.stream, call.tenant, window]
        (count,) = {of for (stream, _), (_, of) in self._slices.items() if stream == call.stream}
        return self._slices[call.stream, _slice_of(call.event, count)][0]
