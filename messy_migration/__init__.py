"""Move data from one system to another and prove, row by row, that it arrived.

What plugins may import: `hookspecs`, `model`, `errors`, and in their tests `testing`.
Everything else is internal and changes without notice. This module stays empty so that
`migrate --help` starts fast.
"""
