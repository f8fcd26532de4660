"""What was declared, and what runs it: nodes, ports, wires, scopes, the engine, the loop.

A message is an event here, and what a handler does with it is walked, fenced and told. Opposite:
`wire` brings events in and takes answers out. Never: a socket, a frame, a file.
"""
