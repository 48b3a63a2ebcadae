"""One module per stream: a parsed record in, rows of the unified schema out.

A field that nothing is made of goes to `extra`, unless it is named as configuration, as a
counter that drifts, or as somebody's trace: so a field that the API grows tomorrow is kept.
"""

from __future__ import annotations
