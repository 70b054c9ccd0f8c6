"""Let the Python runner of hub 0.18.7 live on CPython 3.11.5 and newer.

That runner keeps the transports of its connections but drops some of their ``asyncio.StreamWriter``
objects. Where a writer has a ``__del__`` it closes its socket when it is dropped, and the instance
dies at once. Python imports this module at its start, from PYTHONPATH, which the hub hands on.
"""

import asyncio

if hasattr(asyncio.StreamWriter, "__del__"):
    del asyncio.StreamWriter.__del__
