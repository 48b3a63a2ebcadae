"""Sources that lose or alter values between the database and the frame; one for each word.

Python imports this by itself in every process of a run that has this folder on its PYTHONPATH;
BROKEN_SOURCE says which reader it gets. Nobody but the proof is to notice.
"""

from __future__ import annotations

import importlib.abc
import os
import sys
import unicodedata
from datetime import timedelta
from functools import partial

WIRE, CELLS = "messy_migration_sql.wire", "messy_migration_sql.cells"


def _columns(change):
    """COPY BINARY is decoded rightly, and then a chunk's arrays are changed."""

    def patch(module):
        right = module.Chunk.columns

        def columns(self):
            arrays, refused = right(self)
            return change(arrays, self.kinds), refused

        module.Chunk.columns = columns

    return WIRE, patch


def _cells(change):
    """Cells of SQLite become the right array, which is then changed."""

    def patch(module):
        right = module.to_array

        def to_array(values, kind):
            array, refused = right(values, kind)
            return change([array], [kind])[0], refused

        module.to_array = to_array

    return CELLS, patch


def _each(kind, change):
    """Change the values of the columns of a kind, in row 7 of every chunk and every hundredth."""
    import pyarrow as pa

    def changed(arrays, kinds):
        found = []
        for array, its in zip(arrays, kinds, strict=True):
            if its.kind == kind:
                values = [
                    change(value) if row % 100 == 7 and value is not None else value
                    for row, value in enumerate(array.to_pylist())
                ]
                array = pa.array(values, array.type)  # noqa: PLW2901
            found.append(array)
        return found

    return changed


def _doubled(arrays, kinds):
    """The last row of a chunk is its first one once more; the number of rows is right."""
    import pyarrow as pa

    del kinds
    if len(arrays[0]) < 2:
        return arrays
    return [pa.concat_arrays([array[:-1], array[:1]]) for array in arrays]


def _exchanged(arrays, kinds):
    """Two rows exchange their texts."""
    import pyarrow as pa

    return [
        pa.concat_arrays([array[1:2], array[:1], array[2:]])
        if kind.kind == "text" and len(array) > 1
        else array
        for array, kind in zip(arrays, kinds, strict=True)
    ]


def _microsecond(value):
    return value - timedelta(microseconds=1)


CHANGES = {
    "sign": lambda: _each("decimal", abs),
    "cent": lambda: _each("decimal", lambda value: value - value % 1),
    "text": lambda: _each("text", lambda value: value[:3]),
    "unicode": lambda: _each("text", lambda value: unicodedata.normalize("NFD", value)),
    "trim": lambda: _each("text", str.strip),
    "null": lambda: _each("int32", lambda value: None),
    "instant": lambda: _each("timestamp", _microsecond),
    "doubled": lambda: _doubled,
    "exchanged": lambda: _exchanged,
}


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name, patch):
        self._name, self._patch = name, patch

    def find_spec(self, name, path, target=None):
        if name != self._name:
            return None
        others = (item for item in sys.meta_path if item is not self)
        spec = next(filter(None, (item.find_spec(name, path, target) for item in others)))
        spec.loader.exec_module = partial(self._execute, spec.loader.exec_module)
        return spec

    def _execute(self, original, module):
        original(module)
        self._patch(module)


if word := os.environ.get("BROKEN_SOURCE"):
    kind, _, name = word.partition(":")
    make = {"postgresql": _columns, "sqlite": _cells}[kind]

    def lazily(arrays, kinds):
        return CHANGES[name]()(arrays, kinds)

    sys.meta_path.insert(0, _Finder(*make(lazily)))
