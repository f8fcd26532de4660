"""Nodes without inputs: they bring events in from outside."""
