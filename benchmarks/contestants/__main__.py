"""Do one case once, in this process, and print what it took as a line of JSON.

    python -m benchmarks.contestants MODULE CASE JOB

MODULE is one of this package, JOB the fields of a `Job` as JSON.
"""

from __future__ import annotations

import gc
import importlib
import json
import resource
import sys
import time

from benchmarks.contestants import Job, peak_memory


def main() -> None:
    """Run what the command line says."""
    module, case, fields = sys.argv[1:]
    way = importlib.import_module(f"benchmarks.contestants.{module}").CASES[case]
    job = Job(**json.loads(fields))
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    done = way(job)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    json.dump(
        {
            **done._asdict(),
            "notes": dict(done.notes),
            "seconds": seconds,
            "cpu_user": after.ru_utime - before.ru_utime,
            "cpu_system": after.ru_stime - before.ru_stime,
            "memory": peak_memory(),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
