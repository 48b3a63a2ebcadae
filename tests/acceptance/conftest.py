"""Sites for every test of the installed command."""

from __future__ import annotations

from collections import Counter

import pytest

from ..integration.compare.pairs import two_files
from .generated import Data
from .site import KINDS, sites

__all__ = ["two_files"]


@pytest.fixture(scope="session")
def new_site(request, tmp_path_factory):
    """A function that makes sites: a generated folder and an empty target of that kind."""
    return sites(request, tmp_path_factory)


@pytest.fixture(params=KINDS)
def site(request, new_site):
    """A small folder and an empty target."""
    with new_site(request.param, Data()) as made:
        yield made


@pytest.fixture(scope="session")
def busy_data():
    """Eight files with a key and two without, in about a hundred batches.

    Some keys come twice: once in two equal records, once in two that contradict each other.
    """
    data = Data(seed=2, files=8, records=600, batch_records=50)
    files = list(data.files["flights"].values())
    for number, rows in enumerate(files):
        other = files[(number + 3) % len(files)]
        other[100] = rows[200]
        rows[300] = (*rows[300][:7], f"variant {number} A")
        other[400] = (*rows[300][:7], f"variant {number} B")
    return data


@pytest.fixture(params=KINDS)
def busy_site(request, new_site, busy_data):
    """A folder of many small batches, for tests that act while a run is under way."""
    with new_site(request.param, busy_data) as made:
        yield made


@pytest.fixture(scope="module", params=KINDS)
def loaded(request, new_site):
    """A target that one run has filled; tests that change it put it right again."""
    with new_site(request.param, Data()) as made:
        made.first = made.run().matched()
        yield made


@pytest.fixture(scope="session")
def undisturbed(new_site, busy_data):
    """The fingerprints of `busy_site` after a run that nothing disturbed."""
    with new_site("sqlite", busy_data) as made:
        return made.run().matched().fingerprints


def pytest_assertrepr_compare(op, left, right):
    """Counters of rows are long: show only what one side has more of."""
    if op == "==" and isinstance(left, Counter) and isinstance(right, Counter):
        return ["rows differ", f"only left: {left - right}", f"only right: {right - left}"]
    return None
