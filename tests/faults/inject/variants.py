"""Deliberately broken variants of the package, which the suite has to catch."""

from __future__ import annotations


def patches():
    """Module name -> the patches of the variant that is asked for."""
    return {}
