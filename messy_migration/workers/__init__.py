"""Processes that take partitions, and who watches over them."""
