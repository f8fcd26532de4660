"""Exercises that check themselves: what to build, what is not yet right, hints in steps.

Opposite: `cli` grades a whole class. Never: a verdict that depends on chance or a clock.
"""
