"""The words all towers stand on: what a value was, what a wire fulfils, how a text is shown.

Everything here is small, knows nobody above it, and does nothing by itself. Opposite: the towers,
which meet only in these words and in the flow. Never: a socket, a file of a user, a handler.
"""
