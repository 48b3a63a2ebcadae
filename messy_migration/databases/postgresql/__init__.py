"""PostgreSQL: read, proven and loaded."""
