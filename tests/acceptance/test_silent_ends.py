"""G15: a plugin that ends, crashes or holds up the process is named; a status of 0 is proven."""

from __future__ import annotations

import pytest

from .authored import STREAM, Authored

END = {
    "os._exit": "import os; os._exit(0)",
    "posix._exit": "from posix import _exit; _exit(0)",
    "sys.exit": "import sys; sys.exit(0)",
    "exec": 'import os; os.execv("/bin/true", ["true"])',
    "execlp": 'import os; os.execlp("true", "true")',
}
CRASH = {
    "c_exit": "import ctypes; ctypes.CDLL(None).exit(0)",
    "c_end": "import ctypes; ctypes.CDLL(None)._exit(0)",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "segmentation_fault": "import ctypes; ctypes.string_at(0)",
}
WORDS = ("--plugins", "bad", "--target", "sqlite:///m.db")


@pytest.fixture
def authored(tmp_path):
    return Authored.make(tmp_path)


def refused(done, *words):
    """Exit code 4 and one line on stderr that names the plugin."""
    (line,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert done.code == 4, done.err
    assert all(word in line for word in ("'bad'", *words)), line


@pytest.mark.parametrize("end", [*END, *CRASH])
def test_g15_an_import_that_ends_or_crashes_the_process_is_named(authored, end):
    authored.install("bad", STREAM + (END | CRASH)[end])
    refused(authored.migrate("run", *WORDS), "mm-test-bad 1.0", "when it is imported")
    assert not (authored.folder / "m.db").exists()


@pytest.mark.parametrize("end", ["os._exit", "segmentation_fault"])
@pytest.mark.parametrize("command", ["plan", "reconcile"])
def test_g15_every_command_that_imports_plugins_says_so(authored, command, end):
    authored.install("bad", STREAM)
    assert authored.migrate("run", *WORDS).code == 0
    authored.install("bad", STREAM + (END | CRASH)[end])
    refused(authored.migrate(command, *WORDS), "when it is imported")


@pytest.mark.parametrize("end", ["os._exit", "c_end"])
def test_g15_the_list_of_plugins_shows_it_as_broken_beside_the_others(authored, end):
    authored.install("bad", (END | CRASH)[end])
    authored.install("good", STREAM)
    done = authored.migrate("plugins", "list")
    states = {line.split()[0]: line.split()[-1] for line in done.out.splitlines()}
    assert (states["bad"], states["good"]) == ("broken", "ok")
    assert "bad: it ends the process when it is imported (exit status 0)" in done.err


@pytest.mark.parametrize("end", [*END, "segmentation_fault"])
def test_g15_a_settings_model_that_ends_the_process_is_named(authored, end):
    hook = f"@hookimpl\ndef settings_model():\n    {(END | CRASH)[end]}\n"
    authored.install("bad", STREAM + hook)
    refused(authored.migrate("run", *WORDS))


@pytest.mark.parametrize("end", END)
@pytest.mark.parametrize("hook", ["streams", "partitions"])
def test_g15_a_hook_that_ends_the_process_is_named(authored, hook, end):
    source = STREAM.replace("def streams():", f"def streams():\n    {END[end]}")
    if hook == "partitions":
        source = f"{STREAM}\n@hookimpl\ndef partitions():\n    {END[end]}\n"
    authored.install("bad", source)
    refused(authored.migrate("run", *WORDS), f"hook {hook}")


def test_g15_what_runs_behind_the_verdict_does_not_change_it(authored):
    late = "import atexit, os\natexit.register(os._exit, 0)\n"
    fails = "@hookimpl\ndef partitions():\n    raise ValueError\n"
    authored.install("bad", f"{STREAM}{late}{fails}")
    assert authored.migrate("run", *WORDS).code == 4


def test_g15_a_child_that_a_plugin_forks_may_end_as_it_likes(authored):
    forks = "import os\nif not os.fork():\n    os._exit(0)\nos.wait()\n"
    runs = 'import subprocess\nsubprocess.run(["true"], check=True)\n'
    authored.install("bad", STREAM + forks + runs)
    assert authored.migrate("run", *WORDS).code == 0
