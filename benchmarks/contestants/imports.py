"""Import one module in a fresh interpreter and print what it took: python imports.py MODULE[:NAME].

NAME is then used, so that a package that loads its modules when they are first used has them loaded too.
"""

import sys
import time

module, _, name = sys.argv[1].partition(":")
cpu, began = time.process_time(), time.perf_counter()
__import__(module)
if name:
    getattr(sys.modules[module], name)
seconds, used = time.perf_counter() - began, time.process_time() - cpu
print(f'{{"items": 1, "seconds": {seconds}, "cpu_user": {used}, "memory": 0}}')
