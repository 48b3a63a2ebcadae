"""A worker signs under the key of its run, and under no other one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from messy_migration.errors import ConfigurationError
from messy_migration.fingerprint.keyed import Key
from messy_migration.pipeline.cut import Cutting
from messy_migration.workers.task import Briefing, Task
from messy_migration.workers.worker import Worker
from messy_migration.workspace import Request

KEY = Key("a secret of the tests")


def worker_of(key, key_id):
    worker = Worker.__new__(Worker)
    worker.briefing = Briefing(Request(), "run", 1, frozenset(), Cutting(10, 1024), (), key_id)
    worker.workspace = SimpleNamespace(key=key)
    return worker


@pytest.mark.parametrize(
    ("key", "key_id"), [(None, KEY.id), (KEY, ""), (KEY, Key("another secret of them").id)]
)
def test_a_worker_that_finds_another_key_than_its_run_writes_nothing(key, key_id):
    task = Task("src.s", "", "plan", None)
    with pytest.raises(ConfigurationError) as caught:
        worker_of(key, key_id).work(task, lambda: False)
    assert "fingerprint_key changed" in caught.value.what
    assert "a secret" not in str(caught.value)


@pytest.mark.parametrize(("key", "key_id"), [(None, ""), (KEY, KEY.id)])
def test_a_worker_that_finds_the_key_of_its_run_goes_on_to_its_stream(key, key_id):
    worker = worker_of(key, key_id)
    worker.briefing = SimpleNamespace(key_id=key_id, streams=())
    worker.__dict__["_asked"] = []
    with pytest.raises(Exception, match="no longer offers a stream"):
        worker.work(Task("src.s", "", "plan", None), lambda: False)
