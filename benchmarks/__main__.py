"""`python -m benchmarks NAME [options]`: run one benchmark, as `python -m benchmarks.NAME` does."""

from __future__ import annotations

import runpy
import sys

BENCHMARKS = ("startup", "fingerprint", "load", "growth", "pg2pg", "reconcile")
"""Modules of this package that run as programs."""


def main(arguments: list[str]) -> int:
    """Hand the rest of the command line to the benchmark that it names."""
    name = arguments[0] if arguments else ""
    if name not in BENCHMARKS:
        print(f"usage: python -m benchmarks {{{','.join(BENCHMARKS)}}} [--help]", file=sys.stderr)
        return 0 if name in {"-h", "--help"} else 2
    sys.argv = [f"python -m benchmarks {name}", *arguments[1:]]
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
