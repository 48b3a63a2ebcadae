"""Sites and served sandboxes for the tests of `migrate run --plugins eventcombo,vivenu`."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, contextmanager

import pytest

from .served import Sources, built
from .site import Site

QUICK = {"base": 0, "cap": 0, "asked": 0, "tries": 3, "read": 1}


@pytest.fixture(scope="session")
def data():
    """The accounts and the world of small sandboxes, made once."""
    return built()


@pytest.fixture(scope="session")
def new_site(tmp_path_factory):
    """Makes sites, with an empty SQLite target unless a URL is given."""
    with ExitStack() as stack:

        def make(url="sqlite:///target.db"):
            site = Site(tmp_path_factory.mktemp("site"), url)
            stack.callback(site.stop)
            return site

        yield make


@pytest.fixture(scope="session")
def new_sources(data):
    """Makes served sandboxes; each is as the seed made it."""

    @contextmanager
    def make():
        with Sources(*data).served() as sources:
            yield sources

    return make


@pytest.fixture
def sources(new_sources):
    """Served sandboxes of the test's own."""
    with new_sources() as made:
        yield made


@pytest.fixture(scope="session")
def undisturbed(new_site, new_sources):
    """A run over small served sandboxes that nothing disturbed: its site, result and log."""
    with new_sources() as sources:
        site = new_site().configure(sources)
        yield site, site.run("--workers", "2").matched(), tuple(sources.calls), sources


@pytest.fixture(scope="module")
def loaded(new_site, new_sources, undisturbed):
    """A target of the module's own, filled by one run, and the sandboxes that it came from."""
    first, *_ = undisturbed
    with new_sources() as sources:
        site = new_site().configure(sources)
        shutil.copy(first.folder / "target.db", site.folder)
        shutil.copytree(first.folder / ".migrate/landing", site.folder / ".migrate/landing")
        yield site, sources
