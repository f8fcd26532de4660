"""Who is connected, and how: handshakes, sessions, frames, limits; sockets, ASGI and memory.

One brain without sockets (`endpoint`, `session`), thin shells round it. Opposite: `graph` decides
what is answered. Never: a node, a handler, the log.
"""
