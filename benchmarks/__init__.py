"""Measurements against the budgets, as ratios inside one run; never a timed test."""
