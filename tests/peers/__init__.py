"""The other end of a connection, of another make than wsflow."""
