"""Bytes that nobody would send, ours and another parser side by side."""
