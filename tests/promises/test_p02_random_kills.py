"""Parent, worker, process group, backend and server are killed at random moments.

`--kill-seed` begins another series; `--kill-summary` keeps its figures, and every trial.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from .conftest import KINDS
from .faults.kills import Summary, attempt

TRIALS, LEAST = 100, 500
"""Of each kind of target in the sweep: trials, and kills that came."""


def series(ground, kind, seed, trials, least, folder):
    """Trials until there are enough of them and of kills; what became of them is printed."""
    site, golden = ground(kind)
    began = time.monotonic()
    assert site.run().code == 0
    seconds = time.monotonic() - began
    summary = Summary()
    progress = folder / f"kills-{kind}.jsonl"
    while len(summary.trials) < trials or summary.kills < least:
        site.clear()
        # Every eighth trial with workers that are spawned, which begin slowly.
        is_cold = len(summary.trials) % 8 == 7
        site.spawns = is_cold
        number = len(summary.trials) + 1
        trial = attempt(site, golden, f"{seed} {kind} {number}", seconds * (4 if is_cold else 1))
        summary.add(trial)
        with progress.open("a") as file:
            file.write(json.dumps(asdict(trial)) + "\n")
        assert number < 4 * trials, f"only {summary.kills} kills came in {number} trials"
    found = summary.as_dict()
    (folder / f"kills-{kind}.json").write_text(json.dumps(found, indent=1))
    print(json.dumps(found))  # noqa: T201 - seeds and figures are for people
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_random_kills_change_nothing(ground, kind, pytestconfig, tmp_path):
    found = series(ground, kind, pytestconfig.getoption("kill_seed"), 2, 10, tmp_path)
    assert found["faults_fired"] >= 10
    assert found["findings"] == {}


@pytest.mark.sweep
@pytest.mark.parametrize("kind", KINDS)
def test_many_random_kills_change_nothing(ground, kind, pytestconfig, tmp_path):
    folder = Path(pytestconfig.getoption("kill_summary") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    found = series(ground, kind, pytestconfig.getoption("kill_seed"), TRIALS, LEAST, folder)
    assert found["faults_fired"] >= LEAST
    assert found["findings"] == {}
