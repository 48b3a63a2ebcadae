"""`python -m messy_migration` is `migrate`."""

from __future__ import annotations

from messy_migration.cli.main import main

if __name__ == "__main__":
    main()
