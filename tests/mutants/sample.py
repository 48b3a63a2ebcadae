"""A seeded sample of mutants made by machine, and how many of them the unit tests notice.

    python -m tests.mutants.sample --seed 1 --count 300 --processes 2

Survivors that are known, with the reason why no test can or should notice them, are listed in
`survivors.toml` and count neither way. Where the code has changed since, the sample is another one,
and some of its survivors are not explained: it ends with 1 where fewer than 95 % are noticed.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import queue
import random
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from . import copies, operators

_HERE = Path(__file__).parent

LEAST = 95.0
"""Percent of the sample that have to be noticed."""

_UNIT = "tests/unit"
_TESTS = {
    "fingerprint/rows.py": (
        f"{_UNIT}/fingerprint/test_rows.py",
        f"{_UNIT}/fingerprint/test_edges.py",
        f"{_UNIT}/fingerprint/test_hashes.py",
    ),
    "fingerprint/json.py": (
        f"{_UNIT}/fingerprint/test_json.py",
        f"{_UNIT}/fingerprint/test_hashes.py",
    ),
    "fingerprint/arrays.py": (
        f"{_UNIT}/fingerprint/test_arrays.py",
        f"{_UNIT}/fingerprint/test_edges.py",
        f"{_UNIT}/fingerprint/test_hashes.py",
    ),
    "compare/differences.py": (f"{_UNIT}/compare/test_differences.py",),
    "compare/resolve.py": (f"{_UNIT}/compare/test_resolve.py",),
    "compare/values.py": (f"{_UNIT}/compare/test_values.py",),
    "repair/plan.py": (f"{_UNIT}/repair",),
    "repair/apply.py": (f"{_UNIT}/repair",),
    "reconcile/prove.py": (f"{_UNIT}/reconcile/test_prove.py",),
    "databases/merge.py": (f"{_UNIT}/databases/test_merge.py",),
    "databases/sqlite/encoding.py": (f"{_UNIT}/databases/test_sqlite_encoding.py",),
    "databases/duckdb/encoding.py": (f"{_UNIT}/databases/test_encodings.py",),
    "databases/mysql/encoding.py": (f"{_UNIT}/databases/test_encodings.py",),
    "databases/postgresql/encoding.py": (f"{_UNIT}/databases/test_encodings.py",),
}


def pool():
    """(module, mutant, tests) of every mutant there is, in a fixed order."""
    return [
        (f"messy_migration/{name}", mutant, tests)
        for name, tests in _TESTS.items()
        for mutant in operators.mutants((copies.ROOT / "messy_migration" / name).read_text())
    ]


def identity(module, mutant):
    """What names a mutant however the lines around it move."""
    return module, mutant.function, mutant.operator, mutant.before, mutant.after


def known():
    """Survivors that are explained: identity -> why."""
    table = tomllib.loads((_HERE / "survivors.toml").read_text())
    names = ("module", "function", "operator", "before", "after")
    return {tuple(item[name] for name in names): item["why"] for item in table["survivor"]}


def judged(copy, tests, items):
    """A word for each (module, mutant) of one set of tests: `killed`, `late` or `survived`."""
    # What is not in a function is looked at by those who import it: a process of its own.
    inside = [item for item in items if item[1].function.split(".")[-1].lstrip("_").islower()]
    names = [(module.removesuffix(".py").replace("/", "."), m.text) for module, m in inside]
    words = dict(zip(inside, copy.words(tests, names), strict=True)) if inside else {}
    for module, mutant in items:
        if (module, mutant) not in words:
            with copy.broken(module, mutant.text):
                words[module, mutant] = _word(copy, tests)
    return words


def _word(copy, tests):
    try:
        return "killed" if copy.notice(tests) else "survived"
    except copies.Unusable:
        # It cannot be imported: whoever starts the program notices it.
        return "killed"


def main():
    """Judge a sample; 0 or 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="only modules whose name holds this")
    asked = parser.parse_args()
    everything = pool()
    sample = random.Random(asked.seed).sample(everything, min(asked.count, len(everything)))
    sample = [item for item in sample if asked.only in item[0]]
    groups = defaultdict(list)
    for module, mutant, tests in sample:
        groups[tests].append((module, mutant))
    began = time.monotonic()
    words = {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ExitStack() as stack:
        idle = queue.SimpleQueue()
        for number in range(asked.processes):
            place = Path(folder) / str(number)
            place.mkdir()
            idle.put(stack.enter_context(copies.Copy(place)))

        def judge(group):
            copy = idle.get()
            try:
                return judged(copy, *group)
            finally:
                idle.put(copy)

        with ThreadPoolExecutor(asked.processes) as threads:
            for found in threads.map(judge, sorted(groups.items(), key=lambda one: -len(one[1]))):
                words |= found
    results = [words[item[:2]] for item in sample]
    return told(sample, results, known(), len(everything), time.monotonic() - began)


def told(sample, results, explained, total, seconds):
    """Print the figures; 0 or 1."""
    left = [item[:2] for item, result in zip(sample, results, strict=True) if result == "survived"]
    new = [item for item in left if identity(*item) not in explained]
    for module, mutant in left:
        why = explained.get(identity(module, mutant), "NOT EXPLAINED")
        print(f"survived  {module} {mutant.function} ({mutant.operator})")
        print(f"    - {mutant.before}\n    + {mutant.after}\n    {why}")
    killed = len(sample) - len(left)
    meant = killed + len(new)
    share = 100 * killed / max(1, meant)
    print(
        f"{len(sample)} of {total:,} mutants in {seconds:.0f} s: {killed} killed, {len(left)}"
        f" survived; but for the {len(left) - len(new)} that are explained, {share:.1f} % killed"
    )
    return 1 if share < LEAST else 0


if __name__ == "__main__":
    sys.exit(main())
