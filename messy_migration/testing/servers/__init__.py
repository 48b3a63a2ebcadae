"""Servers for tests: found, started, and ended with the session."""
