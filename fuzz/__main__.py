"""Throw bytes at what reads strangers' bytes, for a while: `make fuzz` (SECONDS=60 for each target).

With atheris, coverage leads the way. Where it is not installed (it has no wheels for some Pythons), hypothesis
makes the bytes instead. What is found is written to fuzz/found/, and belongs into tests/hostile/.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fuzz.seeds import SEEDS

FOLDER = Path(__file__).parent
JUDGES = {
    "chunks": "judge_chunks",
    "models": "judge_models",
    "packages": "judge_package",
    "heads": "judge_head",
    "profiles": "judge_profile",
    "completion": "judge_completion",
}
LENGTHS = {
    "chunks": 1024,
    "models": 512,
    "packages": 12288,
    "heads": 4096,
    "profiles": 1024,
    "completion": 512,
}
"""Bytes of an input: longer ones find no more, and take longer."""


def _with_atheris(name: str, seconds: float) -> None:
    """Be the process that fuzzes: libFuzzer ends it."""
    import atheris  # noqa: PLC0415

    with atheris.instrument_imports(include=["scramjet_client", "tests.support.judging"]):
        from tests.support import judging  # noqa: PLC0415
    corpus = FOLDER / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        Path(corpus, f"seed-{number}").write_bytes(seed)
    (FOLDER / "found").mkdir(exist_ok=True)
    atheris.Setup(
        [
            name,
            str(corpus),
            f"-max_total_time={seconds:.0f}",
            f"-max_len={LENGTHS[name]}",
            "-timeout=20",
            "-rss_limit_mb=2048",
            f"-artifact_prefix={FOLDER / 'found'}/{name}-",
            "-print_final_stats=1",
        ],
        getattr(judging, JUDGES[name]),
    )
    atheris.Fuzz()


def _with_hypothesis(name: str, seconds: float) -> None:
    """Fuzz without coverage: mutate seeds, and make bytes, until the time is over."""
    from hypothesis import HealthCheck, given, settings  # noqa: PLC0415
    from hypothesis import strategies as st  # noqa: PLC0415

    from tests.support import judging  # noqa: PLC0415

    judge: Callable[[bytes], None] = getattr(judging, JUDGES[name])
    changes = st.lists(st.tuples(st.integers(0, 16383), st.binary(max_size=8)), max_size=6)

    @settings(
        max_examples=2000, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.binary(max_size=2000) | st.builds(_mutated, st.sampled_from(SEEDS[name]), changes))
    def attempt(data: bytes) -> None:
        nonlocal count
        count += 1
        judge(data)

    count, ends = 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        attempt()
    print(f"{name}: {count} inputs in {seconds:.0f} s, without coverage")


def _mutated(seed: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    data = bytearray(seed)
    for at, piece in changes:
        place = at % (len(data) + 1)
        data[place : place + len(piece)] = piece
    return bytes(data)


def main() -> int:
    """Fuzz each target in a process of its own; return 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help=", ".join(JUDGES))
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    leads = importlib.util.find_spec("atheris") is not None
    if given.one:
        (_with_atheris if leads else _with_hypothesis)(given.targets[0], given.seconds)
        return 0
    print("with atheris" if leads else "without atheris: hypothesis makes the bytes", flush=True)
    failed = []
    for name in given.targets or JUDGES:
        command = [sys.executable, "-m", "fuzz", "--one", "--seconds", str(given.seconds), name]
        if subprocess.run(command, cwd=FOLDER.parent, env=os.environ, check=False).returncode:
            failed.append(name)
    print("found something: " + ", ".join(failed) if failed else "nothing found")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
