"""The life of one batch: cut, transform, validate, and commit in one transaction."""
