"""An executor that a plugin brings, in the place of our own workers."""

from __future__ import annotations

import pytest

SOURCE = """
@hookimpl
def streams():
    return [Stream("src.people", (table("people"),))]

@hookimpl
def partitions(stream):
    return [Partition(f"page {n}", f"digest {n}", {"start": n * 10}) for n in range(4)]

@hookimpl
def extract(partition):
    yield frame(start=partition.bounds["start"])
"""

ENGINE = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

def die():
    os._exit(9)

class Dying(ProcessPoolExecutor):
    def submit(self, *_, **__):
        return super().submit(die)

@hookimpl
def engine(name, workers):
    if name == "odd":
        return []
    kinds = {"pool": ProcessPoolExecutor, "dying": Dying}
    if name in kinds:
        return kinds[name](workers, mp_context=multiprocessing.get_context("spawn"))
"""


@pytest.fixture
def cluster(shared_project):
    """Plugins that other processes can import too: a site on PYTHONPATH."""
    if not shared_project.plugins:
        shared_project.install("src", SOURCE)
        shared_project.install("cluster", ENGINE)
    return shared_project


def test_the_same_work_runs_on_an_executor_of_a_plugin(cluster):
    first = cluster.migrate("run", "--engine", "pool", "--workers", "2", "--json")
    assert first.code == 0, first.err
    assert first.counts("src.people") == (24, 24, 0, 0)
    assert first.verdicts() == {"people": "MATCH"}
    again = cluster.migrate("run", "--engine", "pool", "--json")
    assert (again.code, again.counts("src.people")) == (0, (0, 0, 0, 0))


def test_an_engine_that_loses_tasks_leaves_a_run_that_resumes(cluster, tmp_path):
    target = f"sqlite:///{tmp_path / 'lost.db'}"
    lost = cluster.migrate("run", "--engine", "dying", "--target", target, "--json")
    assert lost.code == 4
    assert "lost a task" in lost.err
    assert lost.verdicts() == {"people": "UNKNOWN"}
    resumed = cluster.migrate("run", "--target", target, "--json")
    assert (resumed.code, resumed.json["resumed"]) == (0, True)
    assert resumed.counts("src.people") == (24, 24, 0, 0)


@pytest.mark.parametrize("name", ["nosuch", "odd"])
def test_an_engine_that_is_none_is_named(cluster, tmp_path, name):
    target = f"sqlite:///{tmp_path / 'none.db'}"
    refused = cluster.migrate("run", "--engine", name, "--target", target)
    assert refused.code == 4
    assert f"'{name}'" in refused.err
