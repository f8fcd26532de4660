"""What happened, on disk, for playing: recordings written, read, repaired, edited, exchanged.

Opposite: `log` keeps the same rows in memory, for looking; `replay` plays what is read here.
Never: a handler, a socket, a comparison.
"""
