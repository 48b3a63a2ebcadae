"""Processes that take partitions, and the supervision of them."""
