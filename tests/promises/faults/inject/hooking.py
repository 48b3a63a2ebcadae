"""Change functions of the package as their modules are imported, before anybody takes them.

Nothing of this is in the package: a run under test has this folder first on its PYTHONPATH.
"""

from __future__ import annotations

import importlib.abc
import sys
from functools import partial


def install(patches):
    """Apply patches: module name -> functions that are given the module once it is there."""
    sys.meta_path.insert(0, _Finder(patches))


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, patches):
        self._patches = patches

    def find_spec(self, name, path, target=None):
        if name not in self._patches:
            return None
        others = (item for item in sys.meta_path if item is not self)
        spec = next(filter(None, (item.find_spec(name, path, target) for item in others)), None)
        if spec is not None:
            loader = spec.loader
            loader.exec_module = partial(_execute, loader.exec_module, self._patches[name])
        return spec


def _execute(original, patches, module):
    original(module)
    for patch in patches:
        patch(module)


def replace(module, path, make):
    """Put `make(function)` in the place of a function or a method (`Class.method`)."""
    owner = module
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    setattr(owner, name, make(owner.__dict__[name] if outer else getattr(owner, name)))
