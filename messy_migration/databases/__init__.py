"""The user's tables: one module per kind of database behind one small protocol."""
