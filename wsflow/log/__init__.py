"""What happened, in memory, for looking: rows, bounded, as DataFrame, tree, sequence and plot.

Whoever has something to tell tells the `store`; it never slows or breaks who tells. Opposite:
`io` keeps the same rows on disk, for playing. Never: a file, but what a user exports.
"""
