"""Python imports this by itself in every process below a run under test, workers included."""

from __future__ import annotations

import failpoints
import hooking
import variants

hooking.install({**failpoints.patches(), **variants.patches()})
