"""The order-independent checksum of a set of rows, and the one text of a row (C1) behind it."""
