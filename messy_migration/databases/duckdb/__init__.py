"""DuckDB: read and proven."""
