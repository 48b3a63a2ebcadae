"""One run: open, plan, prepare, finish, close, and its evidence."""
