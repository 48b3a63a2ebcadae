"""A child process reports how many acts it finished and how it ended (G15)."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading

import pytest

from messy_migration.loading import in_a_child

SCRIPT = """
from messy_migration.errors import PluginError
from messy_migration.loading import try_imports
from messy_migration.discovery import discovered
try:
    try_imports({"bad": discovered()["bad"][0]}, seconds=0.5)
except PluginError as error:
    print(error)
"""


def nothing():
    return None


def raises():
    raise ValueError


@pytest.mark.parametrize(
    ("act", "seconds", "how"),
    [
        (lambda: os._exit(0), 30, "ends the process when it is imported (exit status 0)"),
        (lambda: os._exit(7), 30, "ends the process when it is imported (exit status 7)"),
        (lambda: ctypes.string_at(0), 30, "crashes the process when it is imported (SIGSEGV)"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), 30, "(SIGTERM)"),
        (lambda: threading.Event().wait(), 0.2, "does not come back within 0.2 s"),
        (lambda: [None for _ in iter(int, 1)], 0.2, "does not come back within 0.2 s"),
    ],
    ids=["end", "status", "crash", "killed", "waits", "loops"],
)
def test_g15_the_act_that_does_not_come_to_its_end_is_told(act, seconds, how):
    done, told = in_a_child([nothing, raises, act, nothing], seconds)
    assert done == 2
    assert how in told


def test_g15_all_acts_come_to_their_end_and_what_they_print_is_dropped(capfd):
    assert in_a_child([lambda: os.write(1, b"seen"), raises, lambda: sys.exit(3)], 30)[0] == 3
    assert capfd.readouterr().out == ""


@pytest.mark.skipif(sys.platform != "linux", reason="imports are tried where a fork is safe: Linux")
@pytest.mark.parametrize("loop", ["while True: pass", "import threading; threading.Event().wait()"])
def test_g15_an_import_without_end_is_given_up_and_named(tmp_path, loop):
    (tmp_path / "bad.py").write_text(loop)
    info = tmp_path / "mm_test_bad-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mm-test-bad\nVersion: 1.0")
    (info / "entry_points.txt").write_text("[messy_migration]\nbad = bad\n")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "'bad' is broken [mm-test-bad 1.0]: it does not come back within 0.5 s" in done.stdout
