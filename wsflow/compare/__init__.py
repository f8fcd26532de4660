"""Which answers are the same as recorded, and which are not: rules, pairs, the report.

Works on answers alone. Opposite: `replay` brings them about. Never: a file, a flow, a clock.
"""
