"""Recordings to read and to replay: of flows that were played, and written by hand."""
