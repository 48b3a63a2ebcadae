"""Two sets of rows, and the differences between them; no ledger, no run."""
