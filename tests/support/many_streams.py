"""A program that multiplexes N streams of each of two servers, and says what that took.

    python many_streams.py N [CA] URL URL

Prints "opened" when all are open; then how many lines came, how many threads there were at most, and how many KiB of
memory each stream took.
"""

from __future__ import annotations

import sys
import threading
from collections import defaultdict

import psutil

from scramjet_client import HttpClient, OutputStream
from scramjet_client.streams.multiplex import Multiplexer

count = int(sys.argv[1])
urls = sys.argv[-2:]
verify = sys.argv[2] if len(sys.argv) == 5 else None
clients = [HttpClient(url, verify=verify) for url in urls]
me = psutil.Process()
# What the first stream of a client costs, certificates above all, is not what a stream costs.
for client in clients:
    client.get_stream("first").close()

before = me.memory_info().rss
streams: dict[OutputStream, str] = {}
for client in clients:
    for n in range(count):
        streams[client.get_stream(f"s{n}")] = f"s{n}"
print("opened", flush=True)

got: dict[OutputStream, list[bytes]] = defaultdict(list)
threads, memory = 0, 0
with Multiplexer(streams) as multiplexer:
    for stream, lines in multiplexer:
        got[stream] += lines
        threads = max(threads, threading.active_count())
        memory = max(memory, me.memory_info().rss) if len(got) % 100 == 0 else memory
for client in clients:
    client.close()

for stream, name in streams.items():
    wanted = [
        line % n
        for n in range(20)
        for line in (f"{name} line %d".encode(), f"{name} half %d".encode())
    ]
    assert got[stream] == wanted, (name, got[stream])
print(sum(map(len, got.values())), threads, (memory - before) / 1024 / len(streams))
