"""A recording played: into today's handlers, into a live server, as a crowd; on virtual time.

Opposite: `io` reads what is played, `compare` judges what came of it. Never: a live client of the
flow, a file that is written.
"""
