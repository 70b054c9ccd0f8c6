"""Import one module in a fresh interpreter and print what it took: python imports.py MODULE."""

import sys
import time

cpu, began = time.process_time(), time.perf_counter()
__import__(sys.argv[1])
seconds, used = time.perf_counter() - began, time.process_time() - cpu
print(f'{{"items": 1, "seconds": {seconds}, "cpu_user": {used}, "memory": 0}}')
