"""The benchmarks: wsflow against other servers, above all against raw Hypercorn.

Run, from the root of the repository: ``python -m tests.bench`` (``--help`` lists the options). Who
is installed takes part: ``pip install -e .[bench]`` brings those in Python; for those on Node.js
``npm install ws node-red`` somewhere and tell by ``NODE_PATH``. With all of them a run of 5 rounds
takes a quarter of an hour; ``--contestant wsflow`` measures wsflow and raw Hypercorn alone. The
load comes from here, each server is a process of its own, and answers are checked byte by byte.
No part of the tests' verdict: absolute times depend on the machine.

How to read the table
---------------------
The first line of a row is raw Hypercorn: a bare ASGI app, no access log, the same pandas import.
"ratio" is how many times better than that a server did; it is taken **within a round**, where all
were measured one right after the other, and its median over the rounds is shown with the smallest
and the largest. Machines drift by a quarter within minutes: compare ratios of one run, never the
absolute medians of two. "cpu µs" is what a reply costs the server in CPU time, and "cpu ×" how many
times less than raw, paired like the ratio: the figures to trust when others use the machine too.
"load" is how busy the load generator was: near 100 % it is the load that was measured, and the
server is better than it looks.

A round starts every server afresh; then, for each row, each server in turn is connected to, warmed
up and measured while the others idle. The order turns round from one round to the next. The servers
share one core and the load has another, where the system can pin processes and has two. One client
with one message outstanding mostly measures how fast the system wakes a sleeping core.

A second, small table holds against goals what raw Hypercorn has no counterpart for: what recording
costs an echo of 100 clients (a pair of servers, one right after the other), reading a recording,
replaying it, the log, a node more, an idle session, an import. Each of these figures is CPU time,
taken in a fresh process, three times at most. ``python -m tests.bench.figures`` shows this table
alone. ``--check`` does not judge it.

With ``--check`` the exit status is 1 when the median ratio of wsflow is below 1.0 in any row. A run
that failed (a server that did not start, answered wrongly or went silent) ends with 2.

What an open panel costs a kernel is measured apart, in a real one: ``python -m tests.bench.panel``.

How to add a row
----------------
A `Row` in ``scenarios.py``: a name, a unit and a coroutine function that takes a `Target` and a
number of seconds and returns a `Sample`. Where less is better (a latency) say so with
``lower=True``. Text that must come back is a `Script` (``load.py``); what a client does next is a
subclass of `Client`. The path a row asks for must be known to every contestant; raw Hypercorn
echoes on all but ``/broadcast``, so that a costlier node is still held against a plain echo.

A `Figure` for the second table is a function in ``figures.py`` and a line at its end.

How to add a contestant
-----------------------
A `Contestant` in ``contestants.py``, its server in ``rivals.py``: any command that prints ``port
N`` once it listens and ends when its stdin does. For one in Python write an ``async def`` that
calls `announce` and serves until the event it is given is set, and enter it in `SERVERS`: the loop,
the pandas import and the watch over stdin come with it. Say which packages it needs: without them
it is left out, with a note.
"""
