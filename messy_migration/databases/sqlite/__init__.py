"""SQLite: read, proven and loaded."""
