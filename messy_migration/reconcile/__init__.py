"""Expected from the receipts, actual from the target, and what differs between the two."""
