"""The evidence: one JSON file that proves itself, and one page of it for people."""
