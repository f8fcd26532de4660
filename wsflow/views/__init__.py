"""What a flow is, drawn and described: diagrams, the status page, AsyncAPI.

Reads the graph and the log and makes text of them. Opposite: `panel` is live, this is still.
Never: a change to what it shows.
"""
