"""What plugin authors import in their tests.

`postgres` gives a real Postgres server wherever the tests run, and `pytest_plugin` gives it as
fixtures to every suite in whose environment this package is installed. Nothing is imported
here, because pytest loads this package in runs that never ask for any of it.
"""
