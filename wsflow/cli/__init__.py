"""The command line: one module a command, `main` and `arguments` before them.

Opposite: a notebook does the same by hand. Never: work that a library user could not do, too.
"""
